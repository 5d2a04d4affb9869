import type { FirstRead, UpcomingLayer } from "../../registry/image_client.ts";
import type { Digest } from "../../spec/digest.ts";
import { DEFAULT_JOBS } from "../host/file_limit.ts";
import { lstatIfAny } from "../host/files.ts";
import { FAR_LATENCY_MS, firstRangeBytes, MIN_RANGED_BYTES } from "./_first_range.ts";
import { partPath } from "./ingest.ts";

/** The paths of a store. */
export interface StorePaths {
  readonly path: string;
  blobPath(digest: Digest): string;
}

/**
 * Returns the first reads of the download of an image: one for each of the first layers that the
 * store lacks. Omits layers that an earlier run has begun to download, and layers of a near server,
 * where a round trip does not matter.
 *
 * @param layers The layers of an image, in the order in which their downloads begin.
 * @param jobs Number of layers to download at once.
 */
export function firstReads(
  store: StorePaths,
  layers: readonly UpcomingLayer[],
  jobs: number = DEFAULT_JOBS,
): readonly FirstRead[] {
  const missing = layers.filter(({ descriptor: { digest }, latencyMs = 0 }) => {
    return latencyMs >= FAR_LATENCY_MS && lstatIfAny(store.blobPath(digest)) === undefined &&
      lstatIfAny(partPath(store.path, digest)) === undefined;
  });
  // Start loading the module that large layers need next.
  if (missing.some(({ descriptor: { size } }) => size >= MIN_RANGED_BYTES)) {
    import("./_ranged_download.ts").catch(() => {});
  }
  return [...new Map(missing.map((layer) => [layer.descriptor.digest, layer])).values()]
    .slice(0, jobs)
    .map(({ descriptor, connections = 1 }) => {
      return { descriptor, length: firstRangeBytes(descriptor.size, connections) };
    });
}
