import type { Watchdog } from "./watchdog.ts";

/** The bytes of a request body. */
export type UploadStream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A request body that is being sent. */
export interface WatchedUpload {
  /** Stream for `fetch`. */
  readonly stream: UploadStream;
  /** Cancels the rest of the body, which `fetch` would continue to read after the response. */
  readonly stop: () => void;
}

/**
 * Forwards a body while it is sent. Suspends the watchdog while the source is reading, because the
 * server is not responsible for that time.
 */
export function watchUpload(
  body: UploadStream,
  watchdog: Pick<Watchdog, "suspend" | "resume">,
): WatchedUpload {
  const reader = body.getReader();
  let isOver = false;
  const cancel = (reason?: unknown) => {
    if (isOver) return;
    isOver = true;
    reader.cancel(reason).catch(() => {});
  };
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (isOver) return controller.error(new Error("the body is no longer needed"));
      watchdog.suspend();
      try {
        const { done, value } = await reader.read();
        if (done) {
          isOver = true;
          controller.close();
        } else controller.enqueue(value);
      } finally {
        watchdog.resume();
      }
    },
    cancel,
  }, { highWaterMark: 0 });
  return { stream, stop: () => cancel() };
}
