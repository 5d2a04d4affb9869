import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { encodeOwner } from "../../../layer/extraction/ownership.ts";

/** Reads the two fields back, by the rules of protocol buffers. */
function decodeOwner(bytes: Uint8Array): { uid: number; gid: number } {
  const fields = [0, 0, 0];
  let at = 0;
  while (at < bytes.length) {
    const field = (bytes[at++] as number) >> 3;
    let value = 0;
    let factor = 1;
    for (let more = true; more; factor *= 128) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * factor;
      more = byte > 0x7f;
    }
    fields[field] = value;
  }
  return { uid: fields[1] as number, gid: fields[2] as number };
}

Deno.test("encodeOwner() writes what umoci writes", () => {
  assertEquals(encodeOwner({ uid: 0, gid: 0 }).toHex(), "");
  assertEquals(encodeOwner({ uid: 0, gid: 42 }).toHex(), "08ffffffff0f102a");
  assertEquals(encodeOwner({ uid: 1000, gid: 300 }).toHex(), "08e80710ac02");
  assertEquals(encodeOwner({ uid: 7, gid: 0 }).toHex(), "080710ffffffff0f");
});

Deno.test("encodeOwner() writes what a protocol buffer decoder reads", () => {
  const id = fc.integer({ min: 1, max: 0xfffffffe });

  fc.assert(fc.property(id, id, (uid, gid) => {
    assertEquals(decodeOwner(encodeOwner({ uid, gid })), { uid, gid });
  }));
});
