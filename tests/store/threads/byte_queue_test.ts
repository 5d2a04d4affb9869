import { assert, assertEquals, assertRejects } from "@std/assert";
import { ByteQueue } from "../../../store/threads/_byte_queue.ts";

const CHUNK = 300_000;

/** Returns whether a promise has settled. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol();
  return await Promise.race([promise.then(() => true, () => true), Promise.resolve(pending)]) !==
    pending;
}

Deno.test("ByteQueue makes the writer wait while a megabyte is unread", async () => {
  const queue = new ByteQueue();
  let written = 0;
  let pending: void | Promise<void> = undefined;
  for (; pending === undefined && written < 100; written++) {
    pending = queue.write(new Uint8Array(CHUNK));
  }

  assertEquals(written, 4);
  assert(pending !== undefined && !await isSettled(pending));
  const reader = queue.readable.getReader();
  await reader.read();
  assert(!await isSettled(pending));
  await reader.read();
  await reader.read();
  await pending;
});

Deno.test("ByteQueue frees the memory of a chunk when the next one is read", async () => {
  const queue = new ByteQueue();
  const chunks = [new Uint8Array([1]), new Uint8Array([2])];
  for (const chunk of chunks) queue.write(chunk);
  queue.close();
  const reader = queue.readable.getReader();

  const first = await reader.read();
  assertEquals(first.value, new Uint8Array([1]));
  const second = await reader.read();

  assertEquals(second.value, new Uint8Array([2]));
  assertEquals(chunks.map(({ buffer }) => buffer.detached), [true, false]);
  assert((await reader.read()).done);
});

Deno.test("ByteQueue passes finished chunks to its callback", async () => {
  const released: Uint8Array[] = [];
  const queue = new ByteQueue((chunk) => void released.push(chunk));
  const chunks = [1, 2, 3].map((byte) => new Uint8Array([byte]));
  for (const chunk of chunks) queue.write(chunk);
  const reader = queue.readable.getReader();

  await reader.read();
  assertEquals(released, []);
  await reader.read();
  assertEquals(released, chunks.slice(0, 1));
  await reader.cancel();

  assertEquals(released, chunks);
  assert(chunks.every(({ buffer }) => !buffer.detached));
});

Deno.test("ByteQueue lets the writer continue once the reader has canceled", async () => {
  const queue = new ByteQueue();
  let pending: void | Promise<void> = undefined;
  while (pending === undefined) pending = queue.write(new Uint8Array(CHUNK));

  await queue.readable.cancel();

  await pending;
  assertEquals(queue.write(new Uint8Array(2_000_000)), undefined);
});

Deno.test("ByteQueue fails with the given reason", async () => {
  const queue = new ByteQueue();
  const reader = queue.readable.getReader();
  const read = reader.read();

  queue.fail(new RangeError("enough"));

  await assertRejects(() => read, RangeError, "enough");
});
