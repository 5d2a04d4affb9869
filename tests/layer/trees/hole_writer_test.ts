import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { TreeFile } from "../../../layer/mod.ts";
import { HoleWriter } from "../../../layer/trees/hole_writer.ts";

/** A file in memory that knows which of its bytes were written. */
class MemoryFile implements TreeFile {
  bytes = new Uint8Array();
  readonly written: (readonly [from: number, to: number])[] = [];

  write(bytes: Uint8Array, position: number): void {
    this.#grow(position + bytes.length);
    this.bytes.set(bytes, position);
    this.written.push([position, position + bytes.length]);
  }

  truncate(size: number): void {
    this.#grow(size);
    this.bytes = this.bytes.slice(0, size);
  }

  #grow(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = new Uint8Array(size);
    grown.set(this.bytes);
    this.bytes = grown;
  }

  setOwner(): void {}
  setMode(): void {}
  setTimes(): void {}
  setXattr(): void {}
  getXattr(): undefined {}
  listXattrs(): readonly string[] {
    return [];
  }
  removeXattr(): void {}
  [Symbol.dispose](): void {}
}

/** Alternating runs of zeros and of other bytes. */
const runs = fc.array(
  fc.oneof(
    fc.integer({ min: 1, max: 200 }),
    fc.integer({ min: 4000, max: 4200 }),
    fc.integer({ min: 65_500, max: 65_600 }),
    fc.integer({ min: 130_000, max: 140_000 }),
  ),
  { maxLength: 8 },
);

function toContent(lengths: readonly number[], startsWithZeros: boolean): Uint8Array {
  const content = new Uint8Array(lengths.reduce((total, length) => total + length, 0));
  let at = 0;
  lengths.forEach((length, i) => {
    if ((i % 2 === 0) !== startsWithZeros) content.fill(7, at, at + length);
    at += length;
  });
  return content;
}

function writeInChunks(content: Uint8Array, chunk: number, shift: number): MemoryFile {
  const file = new MemoryFile();
  const writer = new HoleWriter(file);
  for (let at = 0; at < content.length; at += chunk) {
    const part = content.subarray(at, at + chunk);
    // Chunks of the parser are not aligned.
    const moved = new Uint8Array(part.length + shift).subarray(shift);
    moved.set(part);
    writer.write(moved, at);
  }
  writer.finish(content.length);
  return file;
}

Deno.test("HoleWriter keeps the content, writes nothing twice and skips all long runs of zeros", () => {
  fc.assert(
    fc.property(
      runs,
      fc.boolean(),
      fc.integer({ min: 1000, max: 300_000 }),
      fc.nat(5),
      (lengths, startsWithZeros, chunk, shift) => {
        const content = toContent(lengths, startsWithZeros);

        const file = writeInChunks(content, chunk, shift);

        assertEquals(file.bytes.length, content.length);
        assert(file.bytes.every((byte, i) => byte === content[i]));
        const size = file.written.reduce((total, [from, to]) => total + to - from, 0);
        let longRuns = 0;
        let known = 0;
        lengths.forEach((length, i) => {
          const isZero = (i % 2 === 0) === startsWithZeros;
          if (isZero && length >= 65_536) longRuns += length;
          known += length;
        });
        // Up to a page of a run may be written before it is known to be long.
        assert(size <= known - longRuns + lengths.length * 4096, `${size} bytes written`);
        file.written.forEach(([from], i) => assert(from >= (file.written[i - 1]?.[1] ?? 0)));
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("HoleWriter writes zeros that are shorter than a hole", () => {
  const file = writeInChunks(new Uint8Array(65_535), 10_000, 0);

  assertEquals(file.written.reduce((total, [from, to]) => total + to - from, 0), 65_535);
});

Deno.test("HoleWriter leaves a file of zeros without a block", () => {
  const file = writeInChunks(new Uint8Array(1_000_000), 65_536, 0);

  assertEquals(file.written, []);
  assertEquals(file.bytes.length, 1_000_000);
});

Deno.test("HoleWriter keeps the holes of the archive and the zeros beside them", () => {
  const file = new MemoryFile();
  const writer = new HoleWriter(file);

  writer.write(new Uint8Array([1, 0, 0]), 10);
  writer.write(new Uint8Array([2]), 100_000);
  writer.finish(200_000);

  assertEquals(file.bytes.length, 200_000);
  assertEquals([file.bytes[10], file.bytes[11], file.bytes[100_000]], [1, 0, 2]);
});

Deno.test("HoleWriter accepts a chunk of zeros that is shorter than a word", () => {
  const file = writeInChunks(new Uint8Array(4061), 1015, 1);

  assertEquals(file.bytes.length, 4061);
  assertEquals(file.written.reduce((total, [from, to]) => total + to - from, 0), 4061);
});
