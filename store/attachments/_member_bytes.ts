const [QUOTE, BACKSLASH, COLON, COMMA] = [0x22, 0x5c, 0x3a, 0x2c] as const;
const OPENING: readonly number[] = [0x7b, 0x5b];
const CLOSING: readonly number[] = [0x7d, 0x5d];

/**
 * Returns the bytes of a member of an object. Parsing and serializing it would change large numbers.
 *
 * @param bytes An object in valid JSON.
 * @param key Name of the member; of duplicate ones, the last counts, as in `JSON.parse()`.
 * @returns The bytes without surrounding white space, or `undefined` if there is no such member.
 */
export function memberBytes(
  bytes: Uint8Array<ArrayBuffer>,
  key: string,
): Uint8Array<ArrayBuffer> | undefined {
  let found: Uint8Array<ArrayBuffer> | undefined;
  let [depth, text, end, value] = [0, 0, 0, 0];
  let name: string | undefined;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte === QUOTE) {
      const start = i++;
      for (; bytes[i] !== QUOTE && i < bytes.length; i++) if (bytes[i] === BACKSLASH) i++;
      if (depth === 1) [text, end] = [start, i + 1];
    } else if (OPENING.includes(byte)) {
      depth++;
    } else if (depth === 1 && byte === COLON) {
      name = JSON.parse(new TextDecoder().decode(bytes.subarray(text, end)));
      value = i + 1;
    } else if (CLOSING.includes(byte) || byte === COMMA) {
      if (depth === 1 && name === key) found = trimmed(bytes.subarray(value, i));
      if (byte !== COMMA) depth--;
    }
  }
  return found;
}

/** Returns bytes without white space at their start and end. */
function trimmed(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const isText = (byte: number) => byte > 0x20;
  return bytes.subarray(bytes.findIndex(isText), bytes.findLastIndex(isText) + 1);
}
