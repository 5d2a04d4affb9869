import type { ImageProgress } from "../registry/image_client.ts";

/** Options that {@linkcode progressEvents} gives to a transfer. */
export interface WatchOptions {
  /** Passes an event to the reader. */
  readonly onProgress: (progress: ImageProgress) => void;
  /** Aborted when the reader stops. */
  readonly signal: AbortSignal;
}

/**
 * Starts a transfer, and returns its progress as a stream of events to iterate over.
 *
 * The stream ends with the transfer, and fails with its error. A reader that leaves the loop early
 * aborts the transfer; a later pull resumes it.
 *
 * @param start Starts the transfer, such as {@linkcode pull} or {@linkcode unpack}, with the given
 * options.
 * @returns The events. Those that are not read yet are kept in memory.
 *
 * @example Print the progress of a pull
 * ```ts
 * import { progressEvents, pull } from "@x/oci/cache";
 * import { assertEquals } from "@std/assert";
 *
 * let phase = "";
 * const events = progressEvents((options) => {
 *   return pull("alpine:3.20", { store: "./store", platform: "linux/arm64", ...options });
 * });
 * for await (const event of events) phase = event.phase;
 *
 * assertEquals(phase, "done");
 * ```
 */
export function progressEvents(
  start: (options: WatchOptions) => Promise<unknown>,
): ReadableStream<ImageProgress> {
  const stop = new AbortController();
  const { signal } = stop;
  let transfer: Promise<void>;
  return new ReadableStream<ImageProgress>({
    start(controller) {
      const onProgress = (event: ImageProgress) => {
        if (!signal.aborted) controller.enqueue(event);
      };
      transfer = Promise.try(start, { onProgress, signal }).then(
        () => {
          if (!signal.aborted) controller.close();
        },
        (error) => controller.error(error),
      );
    },
    async cancel(reason) {
      stop.abort(reason);
      await transfer;
    },
  });
}
