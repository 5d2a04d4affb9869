/** Thrown when text is not TOML. */
export class TomlError extends Error {
  /** Number of the line, starting at 1. */
  readonly line: number;

  /** Creates the error. */
  constructor(line: number, problem: string) {
    super(problem);
    this.name = "TomlError";
    this.line = line;
  }
}

/** A value. */
export type TomlValue = string | boolean | TomlScalar | TomlArray | TomlTable;

/** A number or a date, as text. No supported setting has such a value. */
export class TomlScalar {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** A value and its line. */
export interface TomlItem {
  readonly line: number;
  readonly value: TomlValue;
}

/** An array; `isOfTables` if it is made of `[[NAME]]` headers. */
export class TomlArray {
  readonly items: TomlItem[] = [];
  readonly isOfTables: boolean;

  constructor(isOfTables: boolean) {
    this.isOfTables = isOfTables;
  }
}

/** How a table was created: by a longer header, its own header, a dotted key, or in braces. */
type TableOrigin = "implied" | "header" | "dotted" | "inline";

/** A table. */
export class TomlTable {
  readonly items: Map<string, TomlItem> = new Map();
  origin: TableOrigin;

  constructor(origin: TableOrigin) {
    this.origin = origin;
  }
}

/** Maximum number of nested arrays and inline tables. */
const MAX_DEPTH = 32;

const ESCAPES: Readonly<Record<string, string>> = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  '"': '"',
  "\\": "\\",
};

// deno-lint-ignore no-control-regex
const CONTROL_REGEXP = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/;
const BLANK = /[ \t]*/y;
const BLANK_LINES = /(?:[ \t\n]|#[^\n]*)*/y;
const LINE_END = /[ \t]*(?:#[^\n]*)?(?:\n|$)/y;
const BARE_KEY = /[A-Za-z0-9_-]+/y;
const BASIC = /"((?:[^"\\\n]|\\[^\n])*)"/y;
const LITERAL = /'([^'\n]*)'/y;
const LONG_BASIC = /"""\n?((?:[^"\\]|\\[^]|"{1,2}(?!"))*"{0,2})"""(?!")/y;
const LONG_LITERAL = /'''\n?((?:[^']|'{1,2}(?!'))*'{0,2})'''(?!')/y;
const BARE_VALUE = /[A-Za-z0-9_+.:-]+(?:(?<=\d{4}-\d\d-\d\d) \d[A-Za-z0-9.:+-]*)?/y;
const BOOLEAN = /^(?:true|false)$/;
const DIGITS = String.raw`\d+(?:_\d+)*`;
const DECIMAL = String.raw`[+-]?(?!0[\d_])${DIGITS}(?:\.${DIGITS})?(?:[eE][+-]?${DIGITS})?`;
const INTEGER = String.raw`0x[\dA-Fa-f]+(?:_[\dA-Fa-f]+)*|0o[0-7]+(?:_[0-7]+)*|0b[01]+(?:_[01]+)*`;
const NUMBER = new RegExp(`^(?:${DECIMAL}|${INTEGER}|[+-]?(?:inf|nan))$`);
const DATE = String.raw`\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])`;
const TIME = String.raw`(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?`;
const OFFSET = String.raw`(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)`;
const MOMENT = new RegExp(`^(?:${DATE}(?:[Tt ]${TIME}${OFFSET}?)?|${TIME})$`);

/**
 * Parses TOML 1.0.
 *
 * @throws {TomlError} If the text is not valid; the error has the line.
 */
export function parseToml(text: string): TomlTable {
  return new Parser(text).document();
}

/** Returns a value that must be a table. */
export function tableOf({ value, line }: TomlItem, name: string): TomlTable {
  if (value instanceof TomlTable) return value;
  throw new TomlError(line, `"${name}" must be a table`);
}

/** Returns a value that must be a string. */
export function stringOf({ value, line }: TomlItem, name: string): string {
  if (typeof value === "string") return value;
  throw new TomlError(line, `"${name}" must be a string`);
}

/** Returns a boolean of a table, which is `false` by default. */
export function flagOf(table: TomlTable, name: string): boolean {
  const { value = false, line = 0 } = table.items.get(name) ?? {};
  if (typeof value === "boolean") return value;
  throw new TomlError(line, `"${name}" must be true or false`);
}

class Parser {
  readonly #text: string;
  #at = 0;
  #countedTo = 0;
  #counted = 1;

  constructor(text: string) {
    const control = CONTROL_REGEXP.exec(text);
    if (control !== null) {
      const line = text.slice(0, control.index).split("\n").length;
      throw new TomlError(line, "it has a control character");
    }
    this.#text = text.replace(/^\ufeff/, "").replaceAll("\r\n", "\n");
  }

  document(): TomlTable {
    const root = new TomlTable("header");
    let table = root;
    for (;;) {
      this.#take(BLANK_LINES);
      if (this.#at === this.#text.length) return root;
      if (this.#skip("[[")) table = this.#header(root, "]]");
      else if (this.#skip("[")) table = this.#header(root, "]");
      else this.#pair(table, 0);
      if (this.#take(LINE_END) === undefined) throw this.#unexpected("the end of the line");
    }
  }

  #header(root: TomlTable, end: "]" | "]]"): TomlTable {
    const path = this.#key();
    if (!this.#skip(end)) throw this.#unexpected(`"${end}"`);
    const name = path.at(-1) ?? "";
    let parent = root;
    for (const part of path.slice(0, -1)) parent = this.#child(parent, part, "implied");
    const known = parent.items.get(name)?.value;
    if (end === "]]") {
      const array = known ?? new TomlArray(true);
      if (!(array instanceof TomlArray) || !array.isOfTables) throw this.#twice(path);
      if (known === undefined) parent.items.set(name, { line: this.#line, value: array });
      const table = new TomlTable("header");
      array.items.push({ line: this.#line, value: table });
      return table;
    }
    if (known !== undefined) {
      if (!(known instanceof TomlTable) || known.origin !== "implied") throw this.#twice(path);
      known.origin = "header";
      return known;
    }
    const table = new TomlTable("header");
    parent.items.set(name, { line: this.#line, value: table });
    return table;
  }

  /** Returns the table under a name in another table. Creates it if there is none. */
  #child(parent: TomlTable, name: string, origin: "implied" | "dotted"): TomlTable {
    const known = parent.items.get(name)?.value;
    if (known === undefined) {
      const table = new TomlTable(origin);
      parent.items.set(name, { line: this.#line, value: table });
      return table;
    }
    const found = known instanceof TomlArray && known.isOfTables && origin === "implied"
      ? known.items.at(-1)?.value
      : known;
    const isOpen = found instanceof TomlTable && found.origin !== "inline" &&
      (origin === "implied" || found.origin === "dotted");
    if (!isOpen) throw this.#twice([name]);
    return found;
  }

  #pair(table: TomlTable, depth: number): void {
    const path = this.#key();
    if (!this.#skip("=")) throw this.#unexpected('"="');
    this.#take(BLANK);
    const line = this.#line;
    let parent = table;
    for (const part of path.slice(0, -1)) parent = this.#child(parent, part, "dotted");
    const name = path.at(-1) ?? "";
    if (parent.items.has(name)) throw this.#twice(path);
    const value = this.#value(depth);
    parent.items.set(name, { line, value });
  }

  #key(): readonly string[] {
    const parts: string[] = [];
    do {
      this.#take(BLANK);
      const literal = this.#take(LITERAL);
      const basic = literal === undefined ? this.#take(BASIC) : undefined;
      const part = literal?.[1] ?? (basic === undefined ? undefined : this.#unescape(basic)) ??
        this.#take(BARE_KEY)?.[0];
      if (part === undefined) throw this.#unexpected("a name");
      parts.push(part);
      this.#take(BLANK);
    } while (this.#skip("."));
    return parts;
  }

  #value(depth: number): TomlValue {
    if (depth > MAX_DEPTH) throw new TomlError(this.#line, "its values are nested too deeply");
    const literal = this.#take(LONG_LITERAL) ?? this.#take(LITERAL);
    if (literal !== undefined) return literal[1] ?? "";
    const basic = this.#take(LONG_BASIC) ?? this.#take(BASIC);
    if (basic !== undefined) return this.#unescape(basic);
    if (this.#skip("[")) return this.#array(depth);
    if (this.#skip("{")) return this.#inlineTable(depth);
    if (/["']/.test(this.#text[this.#at] ?? "")) {
      throw new TomlError(this.#line, "the string has no end");
    }
    const start = this.#at;
    const bare = this.#take(BARE_VALUE)?.[0] ?? "";
    if (BOOLEAN.test(bare)) return bare === "true";
    if (NUMBER.test(bare) || MOMENT.test(bare)) return new TomlScalar(bare);
    this.#at = start;
    throw this.#unexpected("a value");
  }

  #array(depth: number): TomlArray {
    const array = new TomlArray(false);
    for (;;) {
      this.#take(BLANK_LINES);
      if (this.#skip("]")) return array;
      array.items.push({ line: this.#line, value: this.#value(depth + 1) });
      this.#take(BLANK_LINES);
      if (this.#skip(",")) continue;
      if (this.#skip("]")) return array;
      throw this.#unexpected('"," or "]"');
    }
  }

  #inlineTable(depth: number): TomlTable {
    const table = new TomlTable("header");
    this.#take(BLANK);
    if (!this.#skip("}")) {
      do this.#pair(table, depth + 1); while (this.#isMore());
      if (!this.#skip("}")) throw this.#unexpected('"," or "}"');
    }
    table.origin = "inline";
    return table;
  }

  #isMore(): boolean {
    this.#take(BLANK);
    return this.#skip(",");
  }

  #unescape({ 0: whole, 1: text = "" }: RegExpExecArray): string {
    const line = this.#line - (whole.split("\n").length - 1);
    return text.replace(
      /\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[ \t]*\n[ \t\n]*|[^])/g,
      (_, escape) => {
        const code = escape.length > 1 && /^u/i.test(escape) ? parseInt(escape.slice(1), 16) : NaN;
        if (code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000)) {
          return String.fromCodePoint(code);
        }
        if (escape.includes("\n")) return "";
        const known = escape.length === 1 ? ESCAPES[escape] : undefined;
        if (known !== undefined) return known;
        throw new TomlError(line, `"\\${escape}" is not an escape sequence`);
      },
    );
  }

  #take(form: RegExp): RegExpExecArray | undefined {
    form.lastIndex = this.#at;
    const match = form.exec(this.#text) ?? undefined;
    if (match !== undefined) this.#at += match[0].length;
    return match;
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** The current line. */
  get #line(): number {
    for (; this.#countedTo < this.#at; this.#countedTo++) {
      if (this.#text[this.#countedTo] === "\n") this.#counted++;
    }
    return this.#counted;
  }

  #unexpected(wanted: string): TomlError {
    const [found = ""] = /^[^\n]{0,20}/.exec(this.#text.slice(this.#at, this.#at + 20)) ?? [];
    const where = found === "" ? "the end of the line" : JSON.stringify(found);
    return new TomlError(this.#line, `${wanted} is expected before ${where}`);
  }

  #twice(path: readonly string[]): TomlError {
    return new TomlError(this.#line, `"${path.join(".")}" is defined twice`);
  }
}
