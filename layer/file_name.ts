/** Prefix of the name of a whiteout. The rest is the name of the hidden entry. */
export const WHITEOUT_PREFIX = ".wh.";
/** Maximum size of a path in bytes: the kernel's `PATH_MAX`. */
export const MAX_PATH_BYTES = 4096;

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ASCII = new TextDecoder("utf-8", { ignoreBOM: true });
const ENCODER = new TextEncoder();

/** Added to a byte that is not valid UTF-8, which becomes a lone surrogate: U+DC80 to U+DCFF. */
const ESCAPE = 0xdc00;
/** Maximum number of code units per conversion: each is an argument of `String.fromCharCode()`. */
const MAX_UNITS = 4096;
const LONE_SURROGATE = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;

/**
 * Decodes a file name so that {@linkcode encodeName} restores exactly the same bytes.
 *
 * Linux accepts any bytes as a name, and tar archives contain names in legacy encodings. Each byte
 * that is not valid UTF-8 becomes a lone surrogate, U+DC80 to U+DCFF.
 *
 * @param bytes The bytes of the name.
 * @returns The name as text.
 *
 * @example Keep a name in a legacy encoding
 * ```ts
 * import { decodeName, encodeName } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const koi8 = new Uint8Array([0xf0, 0x2f, 0x61]);
 *
 * assertEquals(decodeName(koi8), "\udcf0/a");
 * assertEquals(encodeName("\udcf0/a"), koi8);
 * ```
 */
export function decodeName(bytes: Uint8Array): string {
  for (let index = 0; index < bytes.length; index++) {
    if ((bytes[index] as number) >= 0x80) return decodeNonAscii(bytes);
  }
  return ASCII.decode(bytes);
}

function decodeNonAscii(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    // Decode byte by byte below.
  }
  let text = "";
  let units: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = sequenceLength(bytes, at);
    if (length === 0) units.push(ESCAPE + (bytes[at] as number));
    else pushUnits(units, bytes, at, length);
    at += length || 1;
    if (units.length < MAX_UNITS) continue;
    text += String.fromCharCode(...units);
    units = [];
  }
  return text + String.fromCharCode(...units);
}

/** Appends the UTF-16 code units of a UTF-8 sequence. */
function pushUnits(units: number[], bytes: Uint8Array, at: number, length: number): void {
  // The first of n bytes has n bits set, then a clear bit, then the first bits of the code point.
  let code = length === 1 ? bytes[at] as number : (bytes[at] as number) & (0x7f >> length);
  for (let index = at + 1; index < at + length; index++) {
    code = (code << 6) | ((bytes[index] as number) & 0x3f);
  }
  if (code < 0x10000) units.push(code);
  else units.push(0xd7c0 + (code >> 10), 0xdc00 + (code & 0x3ff));
}

/** Returns the length of the UTF-8 sequence at an index, or 0 if it is invalid. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const first = bytes[at] as number;
  const second = bytes[at + 1] ?? 0;
  if (first < 0x80) return 1;
  // Reject overlong forms, surrogates and code points above U+10FFFF (Unicode 16, table 3-7).
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (first < 0xc2 || first > 0xf4 || second < low || second > high) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  for (let index = at + 2; index < at + length; index++) {
    if (((bytes[index] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/**
 * Encodes a file name: the inverse of {@linkcode decodeName}.
 *
 * A lone surrogate from U+DC80 to U+DCFF becomes the byte that it represents; any other lone
 * surrogate becomes U+FFFD.
 *
 * @param name The name as text.
 * @returns The bytes of the name.
 *
 * @example Encode a name for a system call
 * ```ts
 * import { encodeName } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(encodeName("é\udce9"), new Uint8Array([0xc3, 0xa9, 0xe9]));
 * ```
 */
export function encodeName(name: string): Uint8Array<ArrayBuffer> {
  if (!LONE_SURROGATE.test(name)) return ENCODER.encode(name);
  const bytes: number[] = [];
  for (const character of name) {
    const code = character.codePointAt(0) as number;
    if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) bytes.push(code - ESCAPE);
    else bytes.push(...ENCODER.encode(character));
  }
  return new Uint8Array(bytes);
}

/** Encodes a file name as a C string. */
export function encodeCString(name: string): Uint8Array<ArrayBuffer> {
  const bytes = encodeName(name);
  const terminated = new Uint8Array(bytes.length + 1);
  terminated.set(bytes);
  return terminated;
}
