import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { sha256 } from "../../spec/digest.ts";
import { digestOf } from "../../spec/mod.ts";
import { noise } from "../_support/bytes.ts";

function nodeHash(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

Deno.test("sha256() hashes each length around its blocks as node:crypto does", () => {
  const bytes = noise(300);

  for (let length = 0; length <= bytes.length; length++) {
    const part = bytes.subarray(0, length);
    assertEquals(sha256(part).toHex(), nodeHash(part), `${length} bytes`);
  }
});

Deno.test("sha256() keeps no state between calls", () => {
  const text = new TextEncoder().encode("abc");

  assertEquals(sha256(text).toHex(), sha256(text).toHex());
});

Deno.test("digestOf() returns the same digest for short and long content", () => {
  for (const length of [0, 1, 1023, 1024, 1025, 5000]) {
    const bytes = noise(length);
    assertEquals(digestOf(bytes), `sha256:${nodeHash(bytes)}`);
  }
});
