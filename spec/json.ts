import { explainedError } from "./error_facts.ts";

/** Returns the error for an invalid value of a document, named by its path. */
function documentError(path: string, problem: string, options?: ErrorOptions): SyntaxError {
  const facts = { code: "invalid-document", action: `read ${path}`, subject: path } as const;
  return explainedError(SyntaxError, { ...facts, problem }, options);
}

/** Reads values from parsed JSON. Errors name the path of the value, such as `manifest.layers[2].size`. */
export class JsonReader {
  readonly #value: unknown;
  readonly path: string;

  constructor(value: unknown, path: string) {
    this.#value = value;
    this.path = path;
  }

  static parse(bytes: Uint8Array, path: string): JsonReader {
    try {
      const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
      return new JsonReader(JSON.parse(text), path);
    } catch (cause) {
      throw documentError(path, "it must be JSON in UTF-8", { cause });
    }
  }

  fail(rule: string): never {
    const value = this.#value;
    const shown = typeof value === "string"
      ? quote(value, 80)
      : typeof value === "object" && value !== null
      ? (Array.isArray(value) ? "an array" : "an object")
      : String(value);
    throw documentError(this.path, `it must be ${rule}, but it is ${shown}`);
  }

  get present(): boolean {
    return this.#value !== undefined && this.#value !== null;
  }

  /** Reads the member `key` of an object. Of duplicate keys the last one counts, as in Go. */
  at(key: string): JsonReader {
    const object = this.object();
    const step = /^[A-Za-z_]\w*$/.test(key) ? `.${key}` : `[${quote(key, 80)}]`;
    return new JsonReader(Object.hasOwn(object, key) ? object[key] : undefined, this.path + step);
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
    return Array.isArray(value) && value.length > 0
      ? new JsonReader(value[0], `${this.path}[0]`)
      : undefined;
  }

  array(): readonly JsonReader[] {
    if (!Array.isArray(this.#value)) return this.fail("an array");
    return this.#value.map((value, i) => new JsonReader(value, `${this.path}[${i}]`));
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
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail("a whole number >= 0");
  }

  strings(): readonly string[] {
    return this.array().map((item) => item.string());
  }

  /** Reads an object of strings. A null member is empty, as in Go. */
  stringMap(): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.keys(this.object()).map((key) => [key, this.maybe(key)?.string() ?? ""]),
    );
  }

  value(): unknown {
    return this.#value;
  }
}

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

/** Parses text from outside; `undefined` if it is not JSON. An error would quote the text. */
export function parseIfJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whether a JSON value is an object, rather than `null`, an array, a string or a number. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
