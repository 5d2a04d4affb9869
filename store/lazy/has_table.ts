import type { RemoteLayer } from "../../spec/image/image.ts";

/** Digest of the table of an eStargz layer. */
export const STARGZ_DIGEST = "containerd.io/snapshot/stargz/toc.digest";
/** Digest of the compressed table of a zstd:chunked layer. */
export const CHUNKED_DIGEST = "io.github.containers.zstd-chunked.manifest-checksum";

/** Whether the manifest says that a layer has a table of contents. */
export function hasTable(
  { descriptor: { annotations = {} } }: Pick<RemoteLayer, "descriptor">,
): boolean {
  return annotations[STARGZ_DIGEST] !== undefined || annotations[CHUNKED_DIGEST] !== undefined;
}
