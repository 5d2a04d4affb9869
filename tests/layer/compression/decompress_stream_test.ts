import { assert, assertEquals, assertRejects } from "@std/assert";
import { constants, createZstdDecompress, gzipSync, zstdCompressSync } from "node:zlib";
import { DecompressError, DecompressStream } from "../../../layer/mod.ts";

const CONTENT = new Uint8Array(200_000).map((_, index) => index % 251);

function source(...chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return ReadableStream.from(chunks);
}

for (
  const { what, bytes } of [
    { what: "gzip", bytes: gzipSync(CONTENT) },
    { what: "zstd", bytes: zstdCompressSync(CONTENT) },
  ]
) {
  Deno.test(`DecompressStream decompresses ${what} into chunks that belong to the reader`, async () => {
    const middle = bytes.length >> 1;
    const stream = source(bytes.subarray(0, middle), bytes.subarray(middle))
      .pipeThrough(new DecompressStream());

    const chunks = await Array.fromAsync(stream);

    assertEquals(new Uint8Array(await new Blob(chunks).arrayBuffer()), CONTENT);
  });
}

Deno.test("DecompressStream passes the chunks of an uncompressed archive through", async () => {
  const chunk = new Uint8Array(1024);

  const chunks = await Array.fromAsync(source(chunk).pipeThrough(new DecompressStream()));

  assertEquals(chunks.length, 1);
  assert(chunks[0]?.length === 1024);
});

Deno.test("DecompressStream cancels its source with its own error", async () => {
  let reason: unknown;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(512).fill(7)),
    cancel: (error) => void (reason = error),
  });
  const stream = endless.pipeThrough(new DecompressStream());

  const error = await assertRejects(() => Array.fromAsync(stream), DecompressError);

  assertEquals(reason, error);
});

Deno.test("DecompressStream cancels its source with its reader's reason", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(gzipSync(CONTENT)),
    cancel: resolve,
  });
  const reader = endless.pipeThrough(new DecompressStream()).getReader();
  await reader.read();

  await reader.cancel("enough");

  assertEquals(await promise, "enough");
});

Deno.test("DecompressStream fails with the error of its source", async () => {
  const reason = new Error("connection lost");
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(reason) });

  const error = await assertRejects(() =>
    Array.fromAsync(broken.pipeThrough(new DecompressStream()))
  );

  assertEquals(error, reason);
});

Deno.test("DecompressStream decompresses on demand", async () => {
  // A block repeats a byte 131,072 times in four bytes: 64 MiB in one chunk.
  const frame = new Uint8Array(6 + 4 * 512);
  frame.set([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]);
  for (let at = 6; at < frame.length; at += 4) frame.set([0x02, 0x00, 0x10, 0], at);
  const before = Deno.memoryUsage().external;
  const reader = source(frame).pipeThrough(new DecompressStream()).getReader();

  const { value } = await reader.read();

  assertEquals(value?.length, 131_072);
  assert(Deno.memoryUsage().external - before < 16 * 1024 * 1024);
  await reader.cancel();
});

// The tests below check behavior of Deno that the design relies on, so that a change is noticed.

Deno.test("Deno's DecompressionStream still refuses gzip of two members", async () => {
  const member = gzipSync(CONTENT);
  const stream = source(member, member).pipeThrough(
    new DecompressionStream("gzip") as unknown as TransformStream<Uint8Array, Uint8Array>,
  );

  await assertRejects(() => Array.fromAsync(stream), TypeError);
});

async function decodeZstd(bytes: Uint8Array): Promise<number> {
  const stream = createZstdDecompress();
  let size = 0;
  stream.on("data", (chunk: Uint8Array) => size += chunk.length);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.on("end", resolve);
  stream.on("error", reject);
  stream.end(bytes);
  await promise;
  return size;
}

Deno.test("Deno's zstd stream still ends silently at the end of the first frame", async () => {
  const frame = zstdCompressSync(CONTENT);

  assertEquals(await decodeZstd(new Uint8Array([...frame, ...frame])), CONTENT.length);
});

Deno.test("Deno's zstd stream still accepts a truncated frame", async () => {
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  const frame = zstdCompressSync(CONTENT, { params });

  assertEquals(await decodeZstd(frame.subarray(0, -1)), CONTENT.length);
});

Deno.test("Deno's zstd stream still returns nothing after a leading skippable frame", async () => {
  const skippable = [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0];

  assertEquals(await decodeZstd(new Uint8Array([...skippable, ...zstdCompressSync(CONTENT)])), 0);
});
