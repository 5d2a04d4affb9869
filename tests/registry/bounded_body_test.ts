import { assertEquals } from "@std/assert";
import { readUpTo } from "../../registry/_bounded_body.ts";
import { noise } from "../_support/bytes.ts";

/** Gives a byte at a time, each in memory for many. */
function dribble(bytes: Uint8Array) {
  let at = 0;
  return {
    read() {
      if (at === bytes.length) return Promise.resolve(undefined);
      const chunk = new Uint8Array(65_536).subarray(0, 1);
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

  const read = await readUpTo(dribble(body), maxBytes);

  assertEquals(read, { bytes: body.slice(0, kept), isWhole });
  assertEquals(read.bytes.buffer.byteLength, kept);
});
