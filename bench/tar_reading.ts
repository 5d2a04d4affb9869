/**
 * `deno bench -A bench/tar_reading.ts`: how fast layers are decompressed and parsed, in memory,
 * beside what `node:zlib` does alone.
 */
import { createGunzip, createZstdDecompress, gzipSync, zstdCompressSync } from "node:zlib";
import { DecompressStream, openDecompressor, TarParser } from "../layer/mod.ts";
import { concat, file, noise, tar } from "../tests/_support/tar.ts";

const CHUNK = 65_536;

/** Bytes that compress to two fifths, about as programs do: new and repeated runs. */
function program(size: number): Uint8Array<ArrayBuffer> {
  const bytes = noise(size);
  const turns = noise(size >> 3, 2);
  let at = 8192;
  for (let turn = 0; at < size; turn += 3) {
    const [run = 0, distance = 0, isRepeated = 0] = turns.subarray(turn, turn + 3);
    const end = Math.min(size, at + 4 + run % 28);
    if (isRepeated < 170) bytes.copyWithin(at, at - 32 - distance * 31, end - 32 - distance * 31);
    at = end;
  }
  return bytes;
}

const archive = tar(file("usr/bin/program", program(64_000_000)));
const compressed = { gzip: gzipSync(archive), zstd: zstdCompressSync(archive) };
const headers = concat(
  ...Array.from(
    { length: 100_000 },
    (_, index) => file(`usr/share/doc/package-${index}/copyright`),
  ),
);

function* chunksOf(bytes: Uint8Array): Generator<Uint8Array, void, void> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK);
}

for (const format of ["gzip", "zstd"] as const) {
  const group = `${format}, 64 MB`;
  const bytes = compressed[format];

  Deno.bench("node:zlib", { group, baseline: true }, async () => {
    const stream = format === "gzip" ? createGunzip() : createZstdDecompress();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    stream.on("end", resolve).on("error", reject).resume();
    for (const chunk of chunksOf(bytes)) {
      if (!stream.write(chunk)) {
        await new Promise<void>((drained) => stream.once("drain", () => drained()));
      }
    }
    stream.end();
    await promise;
  });

  Deno.bench("openDecompressor", { group }, () => {
    using decompressor = openDecompressor();
    for (const chunk of chunksOf(bytes)) decompressor.push(chunk, () => {});
    decompressor.finish();
  });

  Deno.bench("DecompressStream", { group }, async () => {
    const source = ReadableStream.from(chunksOf(bytes));
    await source.pipeThrough(new DecompressStream()).pipeTo(new WritableStream());
  });
}

for (
  const [name, bytes] of Object.entries({ "a body of 64 MB": archive, "100,000 headers": headers })
) {
  Deno.bench(`TarParser: ${name}`, () => {
    const parser = new TarParser({ entry() {}, data() {}, end() {} });
    for (const chunk of chunksOf(bytes)) parser.push(chunk);
    parser.finish();
  });
}
