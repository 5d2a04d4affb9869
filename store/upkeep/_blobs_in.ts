import { type Digest, DIGEST_ALGORITHMS, isDigest } from "../../spec/digest.ts";
import { namesIn } from "../host/files.ts";

/** Lists the digests of the blobs in a store, sorted by algorithm and hash. */
export function blobsIn(store: string): readonly Digest[] {
  const digests: Digest[] = [];
  for (const algorithm of DIGEST_ALGORITHMS) {
    for (const name of namesIn(`${store}/blobs/${algorithm}`).toSorted()) {
      const digest = `${algorithm}:${name}`;
      if (isDigest(digest)) digests.push(digest);
    }
  }
  return digests;
}
