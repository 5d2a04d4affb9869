/** A member of an object in JSON text. */
export interface JsonMember {
  readonly key: string;
  /** White space before the key. */
  readonly lead: string;
  /** The key and its value, as they stand. */
  readonly text: string;
  /** Where the value begins in `text`. */
  readonly valueAt: number;
}

/** An object in JSON text, in parts that add up to the text again. */
export interface JsonObject {
  readonly members: readonly JsonMember[];
  /** White space before the closing brace. */
  readonly closing: string;
}

const SPACE_REGEXP = /\s*/y;
const STRING_REGEXP = /"(?:[^"\\]|\\.)*"/ys;
const LITERAL_REGEXP = /[^\s,\]}]+/y;

/**
 * Splits the text of an object into its members, so that one can change and the others keep their
 * bytes: numbers of any length, duplicate keys, order and white space.
 *
 * @param text The object, which `JSON.parse()` accepts, without white space around it.
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

/** Writes an object as text; members that did not change keep their bytes. */
export function formatJsonObject({ members, closing }: JsonObject): string {
  return `{${members.map(({ lead, text }) => lead + text).join(",")}${closing}}`;
}

/** The text of a member's value. */
export function valueText({ text, valueAt }: JsonMember): string {
  return text.slice(valueAt);
}

/** The member with another value. */
export function withValue(member: JsonMember, value: string): JsonMember {
  return { ...member, text: member.text.slice(0, member.valueAt) + value };
}

/** A new member in the style of those around it. */
export function newMember(key: string, value: string, lead: string): JsonMember {
  // Where keys have lines of their own, a space follows the colon.
  const start = `${JSON.stringify(key)}:${lead === "" ? "" : " "}`;
  return { key, lead, text: start + value, valueAt: start.length };
}

/** Where a value ends. It does not recurse, as a document may be nested as deeply as it is long. */
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
