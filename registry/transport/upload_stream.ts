import type { Watchdog } from "./watchdog.ts";

/** The bytes of a request's body. */
export type UploadStream = ReadableStream<Uint8Array<ArrayBuffer>>;

/** A body that is being sent. */
export interface WatchedUpload {
  /** The stream to give to `fetch`. */
  readonly stream: UploadStream;
  /** Cancels the rest of the body. `fetch` goes on reading it after the answer has come. */
  readonly stop: () => void;
}

/**
 * Passes a body on while it is sent. The time that its source takes is not the server's, so the
 * watchdog waits meanwhile.
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
      if (isOver) return controller.error(new Error("the body is not wanted any more"));
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
