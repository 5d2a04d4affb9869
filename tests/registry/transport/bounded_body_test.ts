import { assertEquals } from "@std/assert";
import { readUpTo } from "../../../registry/transport/bounded_body.ts";
import { noise } from "../../_support/bytes.ts";

/** Returns one byte at a time, in the provided memory. */
function dribble(bytes: Uint8Array) {
  let at = 0;
  return {
    /** The sizes of all provided memory. */
    offered: new Set<number | undefined>(),
    read(memory?: Uint8Array<ArrayBuffer>) {
      this.offered.add(memory?.buffer.byteLength);
      if (at === bytes.length) return Promise.resolve(undefined);
      const chunk = new Uint8Array(memory?.buffer.transfer() ?? new ArrayBuffer(65_536), 0, 1);
      chunk[0] = bytes[at++] ?? 0;
      return Promise.resolve(chunk);
    },
  };
}

Deno.test.each([
  { size: 0, maxBytes: 10, kept: 0, isWhole: true },
  { size: 10, maxBytes: 10, kept: 10, isWhole: true },
  { size: 11, maxBytes: 10, kept: 10, isWhole: false },
  { size: 40_000, maxBytes: 50_000, kept: 40_000, isWhole: true },
])("readUpTo() keeps $kept of $size bytes", async ({ size, maxBytes, kept, isWhole }) => {
  const body = noise(size, 1);
  const source = dribble(body);

  const read = await readUpTo(source, maxBytes);

  assertEquals(read, { bytes: body.slice(0, kept), isWhole });
  assertEquals(read.bytes.buffer.byteLength, kept);
  assertEquals([...source.offered], [16_384], "the same memory again and again");
});
