import { explainedError } from "../error_facts.ts";

/**
 * A Kubernetes quantity. Each member is rounded up, away from zero.
 */
export interface Quantity {
  /** In billionths, the finest unit of quantities. */
  readonly nano: bigint;
  /** In thousandths. */
  readonly milli: bigint;
  /** In whole units. */
  readonly value: bigint;
}

const QUANTITY_REGEXP =
  /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([eE])([+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE])?)$/;
const DECIMAL_SUFFIXES = "num kMGTPE";
const BINARY_SUFFIXES = "KMGTPE";
/** Maximum quantity: 64 bits. Larger ones are capped, as in Kubernetes. */
const MAX_NANO = (2n ** 63n - 1n) * 10n ** 9n;
/** Maximum number of significant digits, for 64 bits and billionths. */
const MAX_EXPONENT = 64;
const MAX_LENGTH = 256;

/**
 * Parses a Kubernetes quantity: a decimal number and a suffix, which is one of `n`, `u`, `m`, `k`,
 * `M`, `G`, `T`, `P`, `E` (powers of 1000), `Ki`, `Mi`, `Gi`, `Ti`, `Pi`, `Ei` (powers of 1024), or
 * an exponent such as `e3`.
 *
 * Fractions of a billionth are rounded up, and quantities above 64 bits are capped.
 *
 * @param text A quantity such as `500m`, `1.5`, `2Gi` or `1e3`.
 * @returns The quantity.
 * @throws {SyntaxError} If `text` is not of that form.
 *
 * @example Parse amounts of memory and CPU time
 * ```ts
 * import { parseQuantity } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseQuantity("512Mi").value, 536870912n);
 * assertEquals(parseQuantity("1.5").milli, 1500n);
 * assertEquals(parseQuantity("100m").value, 1n);
 * ```
 */
export function parseQuantity(text: string): Quantity {
  const match = text.length > MAX_LENGTH ? null : QUANTITY_REGEXP.exec(text);
  const [, sign, whole = "", fraction = "", exponentMark, exponentText = "0", suffix = ""] =
    match ?? [];
  if (match === null || whole + fraction === "") {
    const subject = text.slice(0, MAX_LENGTH);
    throw explainedError(SyntaxError, {
      code: "invalid-text",
      action: `parse quantity ${JSON.stringify(subject)}`,
      subject,
      problem: "it must be a quantity as in Kubernetes, such as " +
        '"500m", "1.5", "2Gi" or "1e3"',
    });
  }
  const exponent = exponentMark ? clampExponent(exponentText, whole.length) : decimalPower(suffix);
  const scale = exponent - fraction.length + 9;
  const digits = BigInt(whole + fraction) * binaryFactor(suffix);
  const amount = scale >= 0
    ? digits * 10n ** BigInt(scale)
    : divideUp(digits, 10n ** BigInt(-scale));
  const limited = amount > MAX_NANO ? MAX_NANO : amount;
  const signed = (units: bigint) =>
    sign === "-" ? -divideUp(limited, units) : divideUp(limited, units);
  return { nano: signed(1n), milli: signed(10n ** 6n), value: signed(10n ** 9n) };
}

/** Caps an exponent without changing the result. */
function clampExponent(text: string, digits: number): number {
  const limit = MAX_EXPONENT + MAX_LENGTH + digits;
  return Math.max(-limit, Math.min(limit, Number(text)));
}

function decimalPower(suffix: string): number {
  return suffix.length === 1 ? (DECIMAL_SUFFIXES.indexOf(suffix) - 3) * 3 : 0;
}

function binaryFactor(suffix: string): bigint {
  const power = suffix.length === 2 ? BINARY_SUFFIXES.indexOf(suffix.slice(0, 1)) + 1 : 0;
  return 1024n ** BigInt(power);
}

function divideUp(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
