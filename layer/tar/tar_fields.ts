/** Size of a block. A header is one block, and bodies are padded to whole blocks. */
export const BLOCK = 512;

/** Returns the number of bytes, 0 to 511, that pad a body to whole blocks. */
export function paddingSize(size: number): number {
  return (BLOCK - size % BLOCK) % BLOCK;
}

const SPACE = 0x20;
const ZERO = 0x30;

/** Layout of a tar header. */
export type TarDialect = "v7" | "ustar" | "gnu" | "star";

/**
 * Detects the layout of a header.
 *
 * @param block Bytes that contain the block.
 * @param at Offset of the block in them.
 */
export function dialectOf(block: Uint8Array, at: number): TarDialect {
  if (!isAscii(block, at + 257, "ustar")) return "v7";
  if (isAscii(block, at + 262, "  \0")) return "gnu";
  if (block[at + 262] !== 0) return "v7";
  return isAscii(block, at + 508, "tar\0") ? "star" : "ustar";
}

function isAscii(block: Uint8Array, at: number, text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    if (block[at + index] !== text.charCodeAt(index)) return false;
  }
  return true;
}

/** Result of a checksum: a valid header, a block of zeros, or damage. */
export type BlockCheck = "header" | "zero" | "damaged";

/**
 * Verifies the checksum of a header. Some old programs summed signed bytes; either sum is valid.
 *
 * @param block Bytes that contain the block.
 * @param at Offset of the block in them.
 */
export function checkBlock(block: Uint8Array, at: number): BlockCheck {
  let sum = 0;
  let high = 0;
  for (let index = at; index < at + BLOCK; index++) {
    const byte = block[index] as number;
    sum += byte;
    high += byte >> 7;
  }
  if (sum === 0) return "zero";
  // The checksum field itself counts as spaces.
  for (let index = at + 148; index < at + 156; index++) {
    const byte = block[index] as number;
    sum += SPACE - byte;
    high -= byte >> 7;
  }
  const stored = parseOctal(block, at + 148, at + 156);
  return stored === sum || stored === sum - 256 * high ? "header" : "damaged";
}

/**
 * Parses a number field: octal digits, or signed base-256 if its first bit is set.
 *
 * @returns The number; `NaN` if it is invalid, and infinity if it is too large to be exact.
 */
export function parseNumber(block: Uint8Array, start: number, end: number): number {
  const first = block[start] as number;
  if (first < 0x80) return parseOctal(block, start, end);
  // Two's complement, big-endian, after the marker bit.
  const invert = (first & 0x40) === 0 ? 0 : 0xff;
  let value = (first ^ invert) & 0x7f;
  for (let index = start + 1; index < end; index++) {
    value = value * 256 + ((block[index] as number) ^ invert);
    if (value > Number.MAX_SAFE_INTEGER) return invert === 0 ? Infinity : -Infinity;
  }
  return invert === 0 ? value : -value - 1;
}

/** Parses octal digits between spaces and NULs; a NUL after a digit ends the number. */
function parseOctal(block: Uint8Array, start: number, end: number): number {
  let from = start;
  while (from < end && isBlank(block[from] as number)) from++;
  let to = end;
  while (to > from && isBlank(block[to - 1] as number)) to--;
  let value = 0;
  for (let index = from; index < to; index++) {
    const digit = (block[index] as number) - ZERO;
    if (digit === -ZERO) break;
    if (digit < 0 || digit > 7) return NaN;
    value = value * 8 + digit;
  }
  return value;
}

function isBlank(byte: number): boolean {
  return byte === 0 || byte === SPACE;
}

/** Returns the bytes of a text field up to its first NUL. */
export function textField(block: Uint8Array, start: number, end: number): Uint8Array {
  let to = start;
  while (to < end && block[to] !== 0) to++;
  return block.subarray(start, to);
}
