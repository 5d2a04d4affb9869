import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { decodeName, encodeName } from "../../layer/mod.ts";

for (
  const { bytes, name } of [
    { bytes: "", name: "" },
    { bytes: "612f62", name: "a/b" },
    { bytes: "c3a9", name: "é" },
    { bytes: "e282ac", name: "€" },
    { bytes: "f09f8c9f", name: "🌟" },
    { bytes: "efbbbf61", name: "\ufeffa" },
    { bytes: "ff", name: "\udcff" },
    { bytes: "80", name: "\udc80" },
    { bytes: "61e982", name: "a\udce9\udc82" },
    { bytes: "c080", name: "\udcc0\udc80" },
    { bytes: "e08080", name: "\udce0\udc80\udc80" },
    { bytes: "eda080", name: "\udced\udca0\udc80" },
    { bytes: "f4908080", name: "\udcf4\udc90\udc80\udc80" },
    { bytes: "f09f8cffc3a9", name: "\udcf0\udc9f\udc8c\udcffé" },
    { bytes: "fff09f8c9f", name: "\udcff🌟" },
  ]
) {
  Deno.test(`decodeName() and encodeName() turn ${bytes || "nothing"} into text and back`, () => {
    assertEquals(decodeName(Uint8Array.fromHex(bytes)), name);
    assertEquals(encodeName(name).toHex(), bytes);
  });
}

Deno.test("encodeName() restores any bytes that decodeName() decoded", () => {
  const anyBytes = fc.uint8Array({ maxLength: 64 });
  const nearUtf8 = fc.tuple(fc.string({ unit: "grapheme", maxLength: 20 }), fc.nat(), fc.nat(255))
    .map(([text, at, byte]) => {
      const bytes = new TextEncoder().encode(text);
      return bytes.length === 0 ? bytes : bytes.with(at % bytes.length, byte);
    });

  fc.assert(fc.property(fc.oneof(anyBytes, nearUtf8), (bytes) => {
    assertEquals(encodeName(decodeName(bytes)), new Uint8Array(bytes));
  }));
});

Deno.test("decodeName() returns different names for different bytes", () => {
  const seen = new Map<string, string>();
  for (let first = 0; first < 256; first++) {
    for (let second = 0; second < 256; second++) {
      const bytes = Uint8Array.of(first, second);
      const name = decodeName(bytes);
      assertEquals(seen.get(name), undefined, bytes.toHex());
      seen.set(name, bytes.toHex());
    }
  }
});

Deno.test("decodeName() reads text as the platform's decoder does", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
    const bytes = new TextEncoder().encode(text);
    assertEquals(decodeName(bytes), text.toWellFormed());
    // An adjacent invalid byte makes no difference.
    assertEquals(decodeName(Uint8Array.of(0xff, ...bytes)), "\udcff" + text.toWellFormed());
  }));
});

Deno.test("decodeName() reads names of any length", () => {
  const bytes = new Uint8Array(20_000).fill(0xe9);

  assertEquals(decodeName(bytes), "\udce9".repeat(20_000));
});

Deno.test("encodeName() writes U+FFFD for other lone surrogates", () => {
  assertEquals(encodeName("\ud800\udc7f".slice(0, 1)), new TextEncoder().encode("\ufffd"));
  assertEquals(encodeName("\udc7f"), new TextEncoder().encode("\ufffd"));
});
