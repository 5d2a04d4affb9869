import { assertEquals, assertRejects } from "@std/assert";
import { type ByteSource, byteStream } from "../../../store/host/byte_stream.ts";

/** A source of bytes that records all calls. */
function sourceOf(bytes: Uint8Array, failure?: Error) {
  const calls: string[] = [];
  let at = 0;
  const source: ByteSource = {
    read: (buffer) => {
      calls.push(`read ${buffer.length}`);
      const part = bytes.subarray(at, at + buffer.length);
      if (part.length === 0 && failure !== undefined) return Promise.reject(failure);
      buffer.set(part);
      at += part.length;
      return Promise.resolve(part.length);
    },
    close: () => void calls.push("close"),
    cancel: () => void calls.push("cancel"),
  };
  return { source, calls };
}

const BYTES = Uint8Array.from({ length: 10 }, (_, i) => i);

Deno.test("byteStream() reads into the memory of a BYOB reader", async () => {
  const { source, calls } = sourceOf(BYTES);
  const reader = byteStream(source, { chunkBytes: 100 }).getReader({ mode: "byob" });
  const read: number[] = [];

  let memory = new Uint8Array(4);
  for (;;) {
    const { done, value } = await reader.read(memory);
    if (done) break;
    read.push(...value);
    memory = new Uint8Array(value.buffer);
    assertEquals(memory.length, 4);
  }

  assertEquals(read, [...BYTES]);
  assertEquals(calls, ["read 4", "read 4", "read 4", "read 4", "close"]);
});

Deno.test("byteStream() allocates memory for each chunk of other readers", async () => {
  const { source } = sourceOf(BYTES);

  const chunks = await Array.fromAsync(byteStream(source, { chunkBytes: 4 }));

  assertEquals(chunks.map((chunk) => [...chunk]), [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]);
  assertEquals(new Set(chunks.map(({ buffer }) => buffer)).size, 3);
});

Deno.test("byteStream() closes a source that fails", async () => {
  const { source, calls } = sourceOf(BYTES, new Error("the disk is gone"));

  await assertRejects(
    () => Array.fromAsync(byteStream(source, { chunkBytes: 10 })),
    Error,
    "the disk is gone",
  );

  assertEquals(calls, ["read 10", "read 10", "close"]);
});

Deno.test("byteStream() cancels its source, even during a read", async () => {
  const { source, calls } = sourceOf(BYTES);
  const pending = Promise.withResolvers<number>();
  const reader = byteStream({ ...source, read: () => pending.promise }, { chunkBytes: 10 })
    .getReader();
  const reading = reader.read();

  await reader.cancel();
  pending.resolve(1);

  assertEquals((await reading).done, true);
  assertEquals(calls, ["cancel"]);
});
