/** Formats untrusted text for a message: shortened, with escaped control characters. */
export function quote(text: string, maxLength = 200): string {
  return JSON.stringify(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);
}

/** Returns an object without its undefined members. */
export function present<T extends Record<string, unknown>>(
  members: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}

/**
 * Parses untrusted text; `undefined` if it is not JSON. The error of `JSON.parse()` would quote it.
 */
export function parseIfJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Returns the name of a member in the form that all its spellings share in Go, which ignores the
 * case of names. It treats `ſ` as `s` and the Kelvin sign as `k`, but does not expand ligatures.
 */
export function foldName(name: string): string {
  return name.toLowerCase().replaceAll("\u017f", "s");
}

/** A number with a fraction or an exponent, with its text in the document. */
export class Fraction {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toJSON(): number {
    return Number(this.text);
  }
}

/** Whether a JSON value is an object, rather than `null`, an array, a string or a number. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) &&
    !(value instanceof Fraction);
}
