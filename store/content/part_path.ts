import { type Digest, digestHex } from "../../spec/digest.ts";
import { digestAlgorithm } from "../../spec/digest_algorithm.ts";

/** Returns the path of the part of a blob that is being downloaded into a store. */
export function partPath(store: string, digest: Digest): string {
  return `${store}/ingest/${digestAlgorithm(digest)}-${digestHex(digest)}.part`;
}
