import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  digestAlgorithm,
  Digester,
  digestHex,
  digestOf,
  isDigest,
  parseDigest,
  UnsupportedDigestError,
} from "../../spec/mod.ts";
import { bytes } from "./_json.ts";

const HEX = "0123456789abcdef".repeat(4);

Deno.test.each([
  { text: `sha256:${HEX}`, why: "sha256" },
  { text: `sha512:${HEX}${HEX}`, why: "sha512" },
])("parseDigest() accepts $why", ({ text }) => {
  const digest = parseDigest(text);

  assertEquals(`${digestAlgorithm(digest)}:${digestHex(digest)}`, text);
});

const INVALID: { text: string; why: string }[] = [
  { text: "", why: "nothing" },
  { text: HEX, why: "a hash without an algorithm" },
  { text: `sha256:${HEX.toUpperCase()}`, why: "upper case" },
  { text: `SHA256:${HEX}`, why: "an upper-case algorithm" },
  { text: `sha256:${HEX.slice(1)}`, why: "a digit too few" },
  { text: `sha256:${HEX}0`, why: "a digit too many" },
  { text: `sha512:${HEX}`, why: "sha512 of the length of sha256" },
  { text: `sha256:${HEX}\n`, why: "a line feed at the end" },
  { text: ` sha256:${HEX}`, why: "a space before" },
  { text: `sha256:${"../".repeat(21)}a`, why: "a path" },
  { text: `sha1:${HEX.slice(24)}`, why: "sha1" },
  { text: `md5:${HEX.slice(32)}`, why: "md5" },
  { text: `sha256+b64:${HEX}`, why: "another encoding" },
  { text: `sha256:${HEX.slice(1)}٣`, why: "a digit of another script" },
];
Deno.test.each(INVALID)("parseDigest() refuses $why", ({ text }) => {
  assertEquals(isDigest(text), false);
  assertThrows(() => parseDigest(text), SyntaxError, "Cannot parse digest");
});

Deno.test("digestAlgorithm() rejects algorithms that cannot be verified", () => {
  const error = assertThrows(() => digestAlgorithm("sha256+b64:00"), UnsupportedDigestError);

  assertEquals(error.digest, "sha256+b64:00");
});

Deno.test("isDigest() rejects values that are not text", () => {
  const values = [undefined, null, 1, {}, [`sha256:${HEX}`]];

  assertEquals(values.filter(isDigest), []);
});

Deno.test("digestOf() returns the published digests of abc", () => {
  assertEquals(
    digestOf(bytes("abc")),
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
  );
  assertEquals(
    digestOf(bytes("abc"), "sha512"),
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
  );
});

Deno.test("Digester returns the same digest for any chunks", () => {
  fc.assert(fc.property(fc.array(fc.uint8Array()), (chunks) => {
    const digester = new Digester();
    for (const chunk of chunks) digester.update(chunk);

    assertEquals(digester.digest(), digestOf(new Uint8Array(chunks.flatMap((c) => [...c]))));
  }));
});
