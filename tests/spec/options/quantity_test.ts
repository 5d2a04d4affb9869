import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseQuantity } from "../../../spec/mod.ts";

const GIGA = 10n ** 9n;
const MAX = 2n ** 63n - 1n;

Deno.test.each([
  { text: "0", nano: 0n },
  { text: "1", nano: GIGA },
  { text: "+1", nano: GIGA },
  { text: "-1", nano: -GIGA },
  { text: "-0", nano: 0n },
  { text: "007", nano: 7n * GIGA },
  { text: "1.", nano: GIGA },
  { text: ".5", nano: GIGA / 2n },
  { text: "-.5", nano: -GIGA / 2n },
  { text: "1.5", nano: GIGA * 3n / 2n },
  { text: "1n", nano: 1n },
  { text: "1u", nano: 1000n },
  { text: "1m", nano: 1_000_000n },
  { text: "100m", nano: 100_000_000n },
  { text: "1k", nano: 1000n * GIGA },
  { text: "1M", nano: 1000n ** 2n * GIGA },
  { text: "1G", nano: 1000n ** 3n * GIGA },
  { text: "1T", nano: 1000n ** 4n * GIGA },
  { text: "1P", nano: 1000n ** 5n * GIGA },
  { text: "1E", nano: 1000n ** 6n * GIGA },
  { text: "1Ki", nano: 1024n * GIGA },
  { text: "1Mi", nano: 1024n ** 2n * GIGA },
  { text: "1Gi", nano: 1024n ** 3n * GIGA },
  { text: "1Ti", nano: 1024n ** 4n * GIGA },
  { text: "1Pi", nano: 1024n ** 5n * GIGA },
  { text: "1Ei", nano: 1024n ** 6n * GIGA },
  { text: "1.5Gi", nano: 1024n ** 3n * GIGA * 3n / 2n },
  { text: "0.1Ki", nano: 102_400_000_000n },
  { text: "1e3", nano: 1000n * GIGA },
  { text: "1E3", nano: 1000n * GIGA },
  { text: "1e+3", nano: 1000n * GIGA },
  { text: "1e-3", nano: 1_000_000n },
  { text: "12.34e2", nano: 1234n * GIGA },
  { text: "128974848", nano: 128_974_848n * GIGA },
])("parseQuantity() reads $text", ({ text, nano }) => {
  assertEquals(parseQuantity(text).nano, nano);
});

Deno.test.each([
  { text: "0.1n", nano: 1n, milli: 1n, value: 1n },
  { text: "-0.1n", nano: -1n, milli: -1n, value: -1n },
  { text: "1.0000000001", nano: GIGA + 1n, milli: 1001n, value: 2n },
  { text: "1e-400", nano: 1n, milli: 1n, value: 1n },
  { text: "100m", nano: 100_000_000n, milli: 100n, value: 1n },
  { text: "1500u", nano: 1_500_000n, milli: 2n, value: 1n },
  { text: "0.1Ki", nano: 102_400_000_000n, milli: 102_400n, value: 103n },
  { text: "0e400", nano: 0n, milli: 0n, value: 0n },
])("parseQuantity() rounds $text up", ({ text, ...rounded }) => {
  assertEquals(parseQuantity(text), rounded);
});

Deno.test.each([
  { text: "9223372036854775807", value: MAX },
  { text: "9223372036854775808", value: MAX },
  { text: "-9223372036854775809", value: -MAX },
  { text: "10E", value: MAX },
  { text: "8Ei", value: MAX },
  { text: "1e19", value: MAX },
  { text: "1e999999999999", value: MAX },
  { text: `1${"0".repeat(200)}`, value: MAX },
])("parseQuantity() caps $text", ({ text, value }) => {
  assertEquals(parseQuantity(text).value, value);
});

const INVALID: string[] = [
  ..." |.|-|+|+-1|1.2.3|1,5|1 Gi| 1|1 |1\n|1K|1ki|1mi|1gi|1KiB|1MB|1b|1ni|1mm|1.5i|.5i|i".split(
    "|",
  ),
  ..."|e3|1e|1e+|1e1.5|1Ee3|1e3k|0x10|Infinity|NaN|١|1_000|m|Ki|aoeu".split("|"),
  "1".repeat(257),
];
Deno.test.each(INVALID)("parseQuantity() refuses %j", (text) => {
  assertThrows(() => parseQuantity(text), SyntaxError, "Cannot parse quantity");
});

const digits = fc.stringMatching(/^[0-9]{1,12}$/);

Deno.test("parseQuantity() is exact to a billionth", () => {
  const fraction = fc.stringMatching(/^[0-9]{0,9}$/);
  fc.assert(fc.property(digits, fraction, (whole, fraction) => {
    const nano = BigInt(whole + fraction.padEnd(9, "0"));

    assertEquals(parseQuantity(`${whole}.${fraction}`).nano, nano > MAX * GIGA ? MAX * GIGA : nano);
  }));
});

Deno.test("parseQuantity() treats suffixes and exponents alike", () => {
  const suffixes = [["n", -9], ["u", -6], ["m", -3], ["", 0], ["k", 3], ["M", 6], [
    "G",
    9,
  ]] as const;
  fc.assert(fc.property(digits, fc.constantFrom(...suffixes), (number, [suffix, exponent]) => {
    assertEquals(parseQuantity(`${number}${suffix}`), parseQuantity(`${number}e${exponent}`));
  }));
});

Deno.test("parseQuantity() rounds up", () => {
  const suffix = fc.constantFrom("n", "u", "m", "", "k", "Ki", "Mi", "e-7", "e2");
  fc.assert(fc.property(digits, digits, suffix, (whole, fraction, suffix) => {
    const { nano, milli, value } = parseQuantity(`${whole}.${fraction}${suffix}`);

    for (const [rounded, unit] of [[milli, 10n ** 6n], [value, GIGA]] as const) {
      assertEquals(rounded * unit >= nano && (rounded - 1n) * unit < nano, true);
    }
  }));
});
