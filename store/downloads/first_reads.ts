import type { FirstRead, UpcomingLayer } from "../../registry/image_client.ts";
import type { Digest } from "../../spec/digest.ts";
import { DEFAULT_JOBS } from "../host/file_limit.ts";
import { lstatIfAny } from "../host/files.ts";
import { FAR_LATENCY_MS, firstRangeBytes, MIN_RANGED_BYTES } from "./_first_range.ts";
import { claimPart } from "./_part_claims.ts";
import { partPath } from "./ingest.ts";

/** The parts of a store that are needed to find and claim missing layers. */
export interface ClaimingStore {
  readonly path: string;
  blobPath(digest: Digest): string;
  /** Creates the store if it does not exist. */
  hold(): Promise<Disposable | undefined>;
}

/**
 * Returns the first reads of the download of an image: one for each of the first layers that the
 * store lacks. Locks their parts, so that no other process requests the same layers. Omits layers
 * that an earlier run or another process has begun to download, and layers of a near server, where
 * a round trip does not matter.
 *
 * @param layers The layers of an image, in the order in which their downloads begin.
 * @param jobs Number of layers to download at once.
 */
export async function firstReads(
  store: ClaimingStore,
  layers: readonly UpcomingLayer[],
  jobs: number = DEFAULT_JOBS,
): Promise<readonly FirstRead[]> {
  const isStored = (digest: Digest) => lstatIfAny(store.blobPath(digest)) !== undefined;
  const missing = layers.filter(({ descriptor: { digest }, latencyMs = 0 }) => {
    return latencyMs >= FAR_LATENCY_MS && !isStored(digest);
  });
  if (missing.length === 0) return [];
  // Start loading the module that large layers need next.
  if (missing.some(({ descriptor: { size } }) => size >= MIN_RANGED_BYTES)) {
    import("./_ranged_download.ts").catch(() => {});
  }
  if (lstatIfAny(`${store.path}/ingest`) === undefined) (await store.hold())?.[Symbol.dispose]();
  using claims = new DisposableStack();
  const reads: FirstRead[] = [];
  const first = [...new Map(missing.map((layer) => [layer.descriptor.digest, layer])).values()];
  for (const { descriptor, connections = 1 } of first.slice(0, jobs)) {
    const lock = await claimPart(partPath(store.path, descriptor.digest));
    if (lock === undefined) continue;
    claims.use(lock);
    // Another process may have stored the blob just before.
    if (isStored(descriptor.digest)) lock[Symbol.dispose]();
    else reads.push({ descriptor, length: firstRangeBytes(descriptor.size, connections), lock });
  }
  // The reader of the layers now owns the locks.
  claims.move();
  return reads;
}
