/** A member of an object in JSON text. */
export interface JsonMember {
  readonly key: string;
  /** White space before the key. */
  readonly lead: string;
  /** Source text of the key and its value. */
  readonly text: string;
  /** Offset of the value in `text`. */
  readonly valueAt: number;
}

/** An object in JSON text, split losslessly. */
export interface JsonObject {
  readonly members: readonly JsonMember[];
  /** White space before the closing brace. */
  readonly closing: string;
}

const SPACE_REGEXP = /\s*/y;
const STRING_REGEXP = /"(?:[^"\\]|\\.)*"/ys;
const LITERAL_REGEXP = /[^\s,\]}]+/y;

/**
 * Splits the text of an object into its members, so that one can change while the others keep their
 * bytes: numbers of any length, duplicate keys, order and white space.
 *
 * @param text Valid JSON text of an object, without surrounding white space.
 */
export function parseJsonObject(text: string): JsonObject {
  const members: JsonMember[] = [];
  let at = 1;
  for (;;) {
    const lead = match(SPACE_REGEXP, text, at);
    const start = at + lead.length;
    if (text[start] === "}") return { members, closing: lead };
    const key = match(STRING_REGEXP, text, start);
    const colon = start + key.length + match(SPACE_REGEXP, text, start + key.length).length;
    const value = colon + 1 + match(SPACE_REGEXP, text, colon + 1).length;
    const end = endOfValue(text, value);
    members.push({
      key: JSON.parse(key),
      lead,
      text: text.slice(start, end),
      valueAt: value - start,
    });
    const tail = match(SPACE_REGEXP, text, end);
    at = end + tail.length;
    if (text[at] !== ",") return { members, closing: tail };
    at++;
  }
}

/** Formats an object; unchanged members keep their bytes. */
export function formatJsonObject({ members, closing }: JsonObject): string {
  return `{${members.map(({ lead, text }) => lead + text).join(",")}${closing}}`;
}

/** Returns the text of a member's value. */
export function valueText({ text, valueAt }: JsonMember): string {
  return text.slice(valueAt);
}

/** Returns the member with another value. */
export function withValue(member: JsonMember, value: string): JsonMember {
  return { ...member, text: member.text.slice(0, member.valueAt) + value };
}

/** Creates a member in the style of its neighbors. */
export function newMember(key: string, value: string, lead: string): JsonMember {
  // In a multi-line object, a space follows the colon.
  const start = `${JSON.stringify(key)}:${lead === "" ? "" : " "}`;
  return { key, lead, text: start + value, valueAt: start.length };
}

/** Returns the end of a value. Does not recurse, because documents may be deeply nested. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  let at = start;
  do {
    const character = text[at] ?? "";
    if (character === '"') at += match(STRING_REGEXP, text, at).length;
    else if (/[{[]/.test(character)) depth++, at++;
    else if (/[}\]]/.test(character)) depth--, at++;
    else if (/[\s,:]/.test(character)) at++;
    else at += match(LITERAL_REGEXP, text, at).length;
  } while (depth > 0);
  return at;
}

function match(regexp: RegExp, text: string, at: number): string {
  regexp.lastIndex = at;
  return regexp.exec(text)?.[0] ?? "";
}
