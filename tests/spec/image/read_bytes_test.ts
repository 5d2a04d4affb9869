import { assertEquals, assertRejects } from "@std/assert";
import { digestOf, readBytes } from "../../../spec/mod.ts";

Deno.test("readBytes() stops when it is aborted, even if the source ignores the signal", async () => {
  const abort = new AbortController();
  let chunks = 0;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      if (++chunks === 3) abort.abort(new Error("stop"));
      controller.enqueue(new Uint8Array(1));
    },
  }, { highWaterMark: 0 });
  const descriptor = { mediaType: "text/plain", digest: digestOf(new Uint8Array(9)), size: 9 };

  await assertRejects(
    () =>
      readBytes(descriptor, () => Promise.resolve(stream), { maxBytes: 9, signal: abort.signal }),
    Error,
    "stop",
  );

  assertEquals(chunks, 3);
});
