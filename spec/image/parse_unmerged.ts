import { explainedError } from "../error_facts.ts";
import { quote } from "../json.ts";
import { JsonReader } from "../json_reader.ts";

const [SPACE, QUOTE, COMMA, BACKSLASH] = [0x20, 0x22, 0x2c, 0x5c] as const;
const [BRACKET, CLOSING_BRACKET, BRACE, CLOSING_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d] as const;
/** First letter of `null`. */
const NULL = 0x6e;

/**
 * Parses a document of an image. Refuses one with a member that readers in Go merge with another of
 * the same name, because they would read another image (CVE-2021-41190).
 *
 * @throws {SyntaxError} If it is not JSON in UTF-8, or has such a member.
 */
export function parseUnmerged(bytes: Uint8Array, path: string): JsonReader {
  const json = JsonReader.parse(bytes, path);
  const name = mergedMember(new TextDecoder().decode(bytes));
  if (name === undefined) return json;
  throw explainedError(SyntaxError, {
    code: "invalid-document",
    action: `read ${path}`,
    subject: path,
    problem: `it has the member ${quote(name, 80)} twice in an object; ` +
      "readers in Go merge both, and others use one",
  });
}

/**
 * Finds a member that an object has twice, and that readers in Go merge: they add to the object or the
 * list that they already have, and ignore a `null`. `JSON.parse()` returns the last one, as Go does
 * for other values.
 *
 * @param text Valid JSON.
 * @returns The name of the member; `undefined` if there is none.
 */
export function mergedMember(text: string): string | undefined {
  /** Names in each open object, and whether Go replaces the value; `undefined` for an array. */
  const open: (Map<string, boolean> | undefined)[] = [];
  /** Those of the current object if a name comes next. */
  let names: Map<string, boolean> | undefined;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (names !== undefined) {
        const name = nameIn(text.slice(at, end));
        const isReplaced = isPlainAfter(text, end);
        if (names.has(name) && !(isReplaced && names.get(name))) return name;
        names.set(name, isReplaced);
        names = undefined;
      }
      at = end - 1;
    } else if (code === BRACE || code === BRACKET) {
      names = code === BRACE ? new Map() : undefined;
      open.push(names);
    } else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) {
      open.pop();
      names = undefined;
    } else if (code === COMMA) {
      names = open.at(-1);
    }
  }
  return undefined;
}

/** Returns the offset after a string. */
function endOfString(text: string, start: number): number {
  for (let quote = start;;) {
    quote = text.indexOf('"', quote + 1);
    let at = quote;
    while (text.charCodeAt(at - 1) === BACKSLASH) at--;
    // An odd number of backslashes escapes the quote.
    if ((quote - at) % 2 === 0) return quote + 1;
  }
}

/** Whether the value after a name is a string, a number or a boolean. */
function isPlainAfter(text: string, end: number): boolean {
  let at = text.indexOf(":", end) + 1;
  while (text.charCodeAt(at) <= SPACE) at++;
  const code = text.charCodeAt(at);
  return code !== BRACE && code !== BRACKET && code !== NULL;
}

function nameIn(string: string): string {
  return string.includes("\\") ? JSON.parse(string) : string.slice(1, -1);
}
