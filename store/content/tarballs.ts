import type { Digest } from "../../spec/digest.ts";
import { digestPath } from "../../spec/verifier.ts";
import { lstatIfAny } from "../host/files.ts";
import type { ContentStore } from "./content_store.ts";
import { VerifiedMarks } from "./verified_marks.ts";

/** Returns the path in a store of the decompressed archive of a layer, whether or not it exists. */
export function tarballPath(store: string, diffId: Digest): string {
  return `${store}/tarballs/${digestPath(diffId)}`;
}

/** Returns the marks of the decompressed archives of a store. */
export function tarballMarks(store: string): VerifiedMarks {
  return new VerifiedMarks(`${store}/tarballs/verified`);
}

/**
 * Returns the path of the decompressed archive of a layer, if a store has one that has not changed
 * since it was verified.
 */
export function verifiedTarball(store: ContentStore, diffId: Digest): string | undefined {
  if (store.foreign) return undefined;
  const path = tarballPath(store.path, diffId);
  const info = lstatIfAny(path);
  if (info === undefined || !info.isFile) return undefined;
  return tarballMarks(store.path).holds(diffId, info) ? path : undefined;
}
