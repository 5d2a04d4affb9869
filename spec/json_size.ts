import { LimitError } from "./errors.ts";

/**
 * Maximum number of values in a document, twice as many as 200,000 references of an `index.json`
 * have.
 */
const MAX_VALUES = 4_000_000;

const [QUOTE, COMMA, BRACKET, BACKSLASH, BRACE] = [0x22, 0x2c, 0x5b, 0x5c, 0x7b] as const;

/**
 * Checks the number of values in JSON before it is parsed: objects take up to 30 times as much
 * memory as their text.
 *
 * @throws {LimitError} If there are more than four million.
 */
export function checkJsonSize(bytes: Uint8Array, subject: string): void {
  // Each value has at least one byte.
  if (bytes.length <= MAX_VALUES) return;
  let values = 1;
  let isText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (byte === QUOTE) isText = !isText;
    else if (isText) i += byte === BACKSLASH ? 1 : 0;
    else if (byte === COMMA || byte === BRACE || byte === BRACKET) values++;
  }
  if (values > MAX_VALUES) throw new LimitError("JSON values", MAX_VALUES, values, subject);
}
