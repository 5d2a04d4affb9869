import type { BodyReader } from "../http1/connection_pool.ts";
import { readWatched, type UploadSource, type UploadWatchdog } from "../http1/upload_source.ts";

/** Creates the stream of a body for `fetch`. Copies chunks, because `fetch` queues unsent ones. */
export function uploadStream(
  source: UploadSource,
  watchdog: UploadWatchdog,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let last: Uint8Array<ArrayBuffer> | undefined;
  return new ReadableStream({
    async pull(controller) {
      const chunk = await readWatched(source, watchdog);
      // Frees memory that `fetch` no longer needs, earlier than the garbage collector would.
      if (last?.buffer.detached === false) last.buffer.transfer(0);
      last = chunk?.slice();
      if (last === undefined) controller.close();
      else controller.enqueue(last);
    },
    cancel: () => source.cancel(),
  }, { highWaterMark: 0 });
}

/** Creates a {@linkcode BodyReader} from a stream. */
export function bodyReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch (error) {
    // The stream is not a byte stream, as in tests.
    if (error instanceof TypeError) return body.getReader();
    throw error;
  }
}
