import { assert, assertRejects } from "@std/assert";
import { readChunks } from "../../../store/downloads/_read_chunks.ts";

Deno.test("readChunks() cancels a silent stream if the signal is already aborted", async () => {
  let isCanceled = false;
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: () => new Promise(() => {}),
    cancel: () => void (isCanceled = true),
  });
  const signal = AbortSignal.abort(new Error("enough"));

  await assertRejects(() => readChunks(stream, () => {}, signal), Error, "enough");

  assert(isCanceled);
});
