import type { Digest } from "../../spec/mod.ts";
import { digestName } from "../../spec/verifier.ts";
import { writeMark } from "../../store/blobs/verified_marks.ts";
import type { ContentStore } from "../../store/mod.ts";

/** Flips a bit of a blob like a failing disk: the mark of the blob still matches the file. */
export async function rotBlob(store: ContentStore, digest: Digest, at: number): Promise<void> {
  const path = store.blobPath(digest);
  const bytes = await Deno.readFile(path);
  await Deno.writeFile(path, bytes.with(at, (bytes[at] ?? 0) ^ 1));
  await Deno.utime(path, 1_000_000, 1_000_000);
  await writeMark(`${store.path}/verified/${digestName(digest)}`, await Deno.lstat(path));
}
