import { explainedError } from "./error_facts.ts";
import { LimitError } from "./errors.ts";
import { foldName, Fraction, isObject, quote } from "./json.ts";

/**
 * Maximum number of values in a document: twice as many as in an `index.json` with 200,000
 * references.
 */
const MAX_VALUES = 4_000_000;
/** Maximum depth of objects and arrays. `JSON.parse()` with a reviver fails at a few thousand. */
const MAX_LEVELS = 1000;

const [SPACE, QUOTE, COMMA, POINT, BACKSLASH] = [0x20, 0x22, 0x2c, 0x2e, 0x5c] as const;
const [BRACKET, CLOSING_BRACKET, BRACE, CLOSING_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d] as const;
const [ZERO, NINE, COLON, LOWERCASE] = [0x30, 0x39, 0x3a, 0x20] as const;
/** First letter of `null`, and the letter of an exponent. */
const [NULL, EXPONENT] = [0x6e, 0x65] as const;

/**
 * Parses untrusted JSON. Counts the values first, because objects take up to 30 times as much
 * memory as their text.
 *
 * @param subject Description of the bytes, for errors.
 * @param decoder Decoder of the text; by default, one that replaces invalid UTF-8.
 * @throws {LimitError} If there are more than four million values or, in a document of more than
 * 4 MB, more than 1000 levels.
 * @throws {SyntaxError | TypeError} If it is not JSON, or not valid UTF-8.
 */
export function parseJson(
  bytes: Uint8Array,
  subject: string,
  decoder: TextDecoder = new TextDecoder(),
): unknown {
  const text = decoder.decode(bytes);
  // Each value has at least one byte.
  if (bytes.length > MAX_VALUES) scanJson(text, subject);
  return JSON.parse(text);
}

/** Returns the error for an invalid value of a document, named by its path. */
export function documentError(
  path: string,
  problem: string,
  options?: ErrorOptions,
): SyntaxError {
  const facts = { code: "invalid-document", action: `read ${path}`, subject: path } as const;
  return explainedError(SyntaxError, { ...facts, problem }, options);
}

/** Finds a member of an object whose name differs from one of these only in case. */
export function otherCaseOf(
  object: Readonly<Record<string, unknown>>,
  names: readonly string[],
): { readonly key: string; readonly name: string } | undefined {
  let folded: ReadonlyMap<string, string> | undefined;
  for (const key of Object.keys(object)) {
    if (names.includes(key)) continue;
    folded ??= new Map(names.map((name) => [foldName(name), name]));
    const name = folded.get(foldName(key));
    if (name !== undefined) return { key, name };
  }
  return undefined;
}

/** Reads values from parsed JSON. Errors name the path of the value, such as `manifest.layers[2].size`. */
export class JsonReader {
  readonly #value: unknown;
  readonly #root: string | JsonReader;
  readonly #step: string | number;

  /**
   * @param root Path of the value, or the reader of the object or the array that contains it.
   * @param step Name or index of the value in that object or array.
   */
  constructor(value: unknown, root: string | JsonReader, step: string | number = "") {
    this.#value = value;
    this.#root = root;
    this.#step = step;
  }

  /** Path of the value. Only errors need it, so it is composed on demand. */
  get path(): string {
    const step = this.#step;
    if (typeof this.#root === "string") return this.#root;
    if (typeof step === "number") return `${this.#root.path}[${step}]`;
    const isName = /^[A-Za-z_]\w*$/.test(step);
    return this.#root.path + (isName ? `.${step}` : `[${quote(step, 80)}]`);
  }

  static parse(bytes: Uint8Array, path: string): JsonReader {
    try {
      const decoder = new TextDecoder("utf-8", { fatal: true });
      return new JsonReader(parseJson(bytes, path, decoder), path);
    } catch (cause) {
      if (cause instanceof LimitError) throw cause;
      throw documentError(path, "it must be JSON in UTF-8", { cause });
    }
  }

  fail(rule: string): never {
    const value = this.#value;
    const shown = value instanceof Fraction
      ? value.text
      : typeof value === "string"
      ? quote(value, 80)
      : typeof value === "object" && value !== null
      ? (Array.isArray(value) ? "an array" : "an object")
      : String(value);
    throw documentError(this.path, `it must be ${rule}, but it is ${shown}`);
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** Reads the member `key` of an object. If a key is duplicated, the last one wins, as in Go. */
  at(key: string): JsonReader {
    const object = this.object();
    return new JsonReader(Object.hasOwn(object, key) ? object[key] : undefined, this, key);
  }

  /**
   * Rejects members of an object whose names differ from these only in case. Go reads `Layers` as
   * `layers`, so a document with both could be read in two ways (CVE-2021-41190).
   */
  refuseOtherCases(names: readonly string[]): void {
    const other = otherCaseOf(this.object(), names);
    if (other === undefined) return;
    const problem = `readers in Go take it for "${other.name}", and others ignore it`;
    throw documentError(this.at(other.key).path, problem);
  }

  /**
   * Reads an object as Go does, which ignores the case of these names. Rejects two spellings of one
   * name, because other readers tell them apart.
   */
  inAnyCase(names: readonly string[]): JsonReader {
    const object = this.object();
    const { key, name } = otherCaseOf(object, names) ?? {};
    if (key === undefined || name === undefined) return this;
    if (Object.hasOwn(object, name)) this.refuseOtherCases(names);
    const { [key]: value, ...rest } = object;
    return new JsonReader({ ...rest, [name]: value }, this.#root, this.#step).inAnyCase(names);
  }

  /** Reads an optional member; `undefined` if it is absent or null. */
  maybe(key: string): JsonReader | undefined {
    const member = this.at(key);
    return member.present ? member : undefined;
  }

  object(): Readonly<Record<string, unknown>> {
    const value = this.#value;
    return isObject(value) ? value : this.fail("an object");
  }

  /** Number of items of an array; 0 for anything else. */
  get length(): number {
    return Array.isArray(this.#value) ? this.#value.length : 0;
  }

  /** First item of an array, if any. */
  get first(): JsonReader | undefined {
    const value = this.#value;
    return Array.isArray(value) && value.length > 0 ? new JsonReader(value[0], this, 0) : undefined;
  }

  array(): readonly JsonReader[] {
    if (!Array.isArray(this.#value)) return this.fail("an array");
    return this.#value.map((value, i) => new JsonReader(value, this, i));
  }

  string(): string {
    return typeof this.#value === "string" ? this.#value : this.fail("a string");
  }

  boolean(): boolean {
    return typeof this.#value === "boolean" ? this.#value : this.fail("true or false");
  }

  /** Reads a non-negative integer. */
  count(): number {
    const value = this.#value;
    if (value instanceof Fraction) return this.fail("a whole number in digits only");
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail("a whole number >= 0");
  }

  strings(): readonly string[] {
    return this.array().map((item) => item.string());
  }

  /** Reads an object of strings. A null member is empty, as in Go. */
  stringMap(): Readonly<Record<string, string>> {
    const entries = Object.entries(this.object());
    return Object.fromEntries(entries.map(([key, value]) => [
      key,
      typeof value === "string" ? value : this.maybe(key)?.string() ?? "",
    ]));
  }

  value(): unknown {
    return this.#value;
  }
}

/**
 * Parses a document of an image as readers in Go do, so that they do not read a different image or
 * none. Rejects a byte order mark, and a member that they merge with another of the same name
 * (CVE-2021-41190). {@linkcode JsonReader.count} rejects integers such as `1.0` and `1e2`.
 *
 * @param document The bytes, which must be valid UTF-8, or the text.
 * @throws {LimitError} If there are more than four million values, or more than 1000 levels.
 * @throws {SyntaxError} If it is not JSON in UTF-8, or has such a member.
 */
export function parseDocument(document: Uint8Array | string, path: string): JsonReader {
  let value: unknown;
  let mergedName: string | undefined;
  try {
    const text = typeof document === "string" ? document : STRICT_DECODER.decode(document);
    const scan = scanJson(text, path);
    ({ mergedName } = scan);
    value = scan.hasFractions ? JSON.parse(text, keepFraction) : JSON.parse(text);
  } catch (cause) {
    if (cause instanceof LimitError) throw cause;
    throw documentError(path, "it must be JSON in UTF-8, without a byte order mark", { cause });
  }
  if (mergedName === undefined) return new JsonReader(value, path);
  const problem = `it has the member ${quote(mergedName, 80)} twice in an object; ` +
    "readers in Go merge both, and others use one";
  throw documentError(path, problem);
}

/** Decoder that keeps a byte order mark, which is not JSON. */
const STRICT_DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Reviver for numbers: replaces one with a fraction or an exponent, which Go's integers reject. */
function keepFraction(_key: string, value: unknown, context?: { source?: string }): unknown {
  const { source = "0" } = context ?? {};
  return typeof value === "number" && !/^-?\d+$/.test(source) ? new Fraction(source) : value;
}

/** Facts about a text that `JSON.parse()` does not report. */
interface JsonScan {
  /**
   * Name of a member that an object has twice, and that readers in Go merge: they add to the object
   * or the list that they already have, and ignore a `null`. `JSON.parse()` returns the last one, as
   * Go does for other values.
   */
  readonly mergedName: string | undefined;
  /** Whether a number has a fraction or an exponent. */
  readonly hasFractions: boolean;
}

/**
 * Scans a text before it is parsed. The result means nothing if the text is not valid JSON.
 *
 * @param subject Description of the text, for errors.
 * @throws {LimitError} If there are more than four million values, or more than 1000 levels.
 */
export function scanJson(text: string, subject: string): JsonScan {
  /** Names in each open object, and whether Go replaces the value; `undefined` for an array. */
  const open: (Map<string, boolean> | undefined)[] = [];
  /** Those of the current object if a name comes next. */
  let names: Map<string, boolean> | undefined;
  let mergedName: string | undefined;
  let hasFractions = false;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (names !== undefined) {
        const name = nameIn(text.slice(at, end));
        const isReplaced = isPlainAfter(text, end);
        if (names.has(name) && !(isReplaced && names.get(name))) mergedName ??= name;
        names.set(name, isReplaced);
        names = undefined;
      }
      at = end - 1;
    } else if (code === BRACE || code === BRACKET) {
      names = code === BRACE ? new Map() : undefined;
      values++;
      if (open.push(names) > MAX_LEVELS) {
        throw new LimitError("JSON levels", MAX_LEVELS, open.length, subject);
      }
    } else if (code === CLOSING_BRACE || code === CLOSING_BRACKET) {
      open.pop();
      names = undefined;
    } else if (code === COMMA) {
      names = open.at(-1);
      values++;
    } else if (code === POINT || (code | LOWERCASE) === EXPONENT) {
      hasFractions ||= isDigit(text.charCodeAt(at - 1));
    }
    if (values > MAX_VALUES) {
      throw new LimitError("JSON values", MAX_VALUES, values, subject);
    }
  }
  return { mergedName, hasFractions };
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Returns the offset after a string, or after the text if the string has no end. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0;) {
    let at = quote;
    while (text.charCodeAt(at - 1) === BACKSLASH) at--;
    // An odd number of backslashes escapes the quote.
    if ((quote - at) % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
  return text.length;
}

/** Whether the value after a name is a string, a number or a boolean. */
function isPlainAfter(text: string, end: number): boolean {
  let at = end;
  while (text.charCodeAt(at) <= SPACE || text.charCodeAt(at) === COLON) at++;
  const code = text.charCodeAt(at);
  return code !== BRACE && code !== BRACKET && code !== NULL;
}

function nameIn(string: string): string {
  return string.includes("\\") ? JSON.parse(string) : string.slice(1, -1);
}
