import { printable } from "./format.ts";
import { escaped } from "./output.ts";
import { terminalSize, wrapLine } from "./terminal.ts";

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** Maximum number of queued bytes for a stalled reader; later output is dropped. */
const MAX_QUEUED_BYTES = 1_000_000;

/** Destination of notices: a terminal, file or pipe. */
export interface NoticeSink {
  /** Writes some of the bytes synchronously, and returns their number. */
  writeSync(bytes: Uint8Array): number;
  /** Writes some of the bytes without blocking the program, and returns their number. */
  write?(bytes: Uint8Array): Promise<number>;
}

/** What a message is about. */
export type NoticeKind = "note" | "warning" | "error" | "debug";

/** Returns stderr. On a terminal, it writes synchronously, because only a pipe can block. */
function standardError(): NoticeSink {
  const { stderr } = Deno;
  return stderr.isTerminal() ? { writeSync: (bytes) => stderr.writeSync(bytes) } : stderr;
}

/** Returns the width of the terminal that shows stderr, if one does. */
function terminalColumns(): number | undefined {
  return Deno.stderr.isTerminal() ? terminalSize().columns : undefined;
}

/**
 * Writer for standard error: permanent lines, and below them a block of status lines that is
 * redrawn in place. Escapes control characters in all lines.
 *
 * Ignores write errors, because results matter more.
 */
export class Notices implements Disposable {
  readonly #sink: NoticeSink;
  readonly #columns: () => number | undefined;
  #status: readonly string[] = [];
  #hidden = false;
  #isJson = false;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;

  /**
   * Writes to stderr, unless another sink is given.
   *
   * @param columns Returns the width of the terminal, or `undefined` if stderr is not a terminal.
   */
  constructor(
    sink: NoticeSink = standardError(),
    columns: () => number | undefined = terminalColumns,
  ) {
    this.#sink = sink;
    this.#columns = columns;
  }

  /** Waits until everything is written; returns `undefined` if nothing is queued. */
  flush(): Promise<void> | undefined {
    return this.#writing;
  }

  /** Whether each message is one JSON object on a line of its own. */
  get isJson(): boolean {
    return this.#isJson;
  }

  /** Writes messages as JSON objects from now on. */
  useJson(): void {
    this.#isJson = true;
  }

  /** Writes a permanent line above the status block. */
  line(text: string): void {
    this.#lines([printable(text)]);
  }

  /** Writes a JSON object as a permanent line. */
  json(value: Readonly<Record<string, unknown>>): void {
    this.line(escaped(JSON.stringify(value)));
  }

  /** Writes a sentence as a permanent line, which is wrapped between words on a terminal. */
  message(text: string): void {
    if (this.#isJson) this.event("note", { message: text.trim() });
    else this.#lines(this.#wrapped(text));
  }

  /** Writes a message of the program, after the name of the program. */
  report(kind: NoticeKind, message: string): void {
    if (this.#isJson) return this.event(kind, { message });
    if (kind === "debug") return this.line(`oci: debug: ${message}`);
    this.message(kind === "warning" ? `oci: warning: ${message}` : `oci: ${message}`);
  }

  /** Writes a message as a JSON object with further members. */
  event(kind: NoticeKind, members: Readonly<Record<string, unknown>>): void {
    this.json({ kind, time: Date.now(), ...members });
  }

  /** Writes a question, wrapped like a message, and leaves the cursor after it for the answer. */
  prompt(question: string): void {
    this.#write(`${this.#wrapped(question, 1).join("\n")} `);
  }

  /** Writes permanent text as it is, without a line end. */
  text(text: string): void {
    this.#write(text);
  }

  /** Replaces the status lines. They must fit the width of the terminal. */
  status(lines: readonly string[]): void {
    const before = this.#eraseSequence();
    this.#status = lines.map(printable);
    let sequence = before + this.#status.join("\n");
    if (lines.length > 0 && !this.#hidden) sequence = HIDE_CURSOR + sequence;
    if (lines.length === 0 && this.#hidden) sequence += SHOW_CURSOR;
    this.#hidden = lines.length > 0;
    if (sequence !== "") this.#write(sequence);
  }

  /** Removes the status block and shows the cursor. */
  [Symbol.dispose](): void {
    this.status([]);
  }

  #lines(lines: readonly string[]): void {
    this.#write(`${this.#eraseSequence()}${lines.join("\n")}\n${this.#status.join("\n")}`);
  }

  #wrapped(text: string, margin = 0): readonly string[] {
    const columns = this.#columns() ?? Infinity;
    return wrapLine(printable(text), columns - margin, "  ");
  }

  /**
   * Returns the sequence that erases the block line by line, from the end to the start. If it were
   * erased at once and began at the top of the screen, tmux would keep each frame in its history.
   */
  #eraseSequence(): string {
    if (this.#status.length === 0) return "";
    const columns = this.#columns() ?? Infinity;
    // A terminal that has become narrower has wrapped the lines.
    const height = this.#status.reduce((rows, { length }) => {
      return rows + Math.max(1, Math.ceil(length / columns));
    }, 0);
    return `\r\x1b[K${"\x1b[A\x1b[K".repeat(height - 1)}`;
  }

  #write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    if (this.#sink.write === undefined) return this.#writeNow(bytes);
    if (this.#queuedBytes + bytes.length > MAX_QUEUED_BYTES) return;
    this.#queued.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#writing ??= this.#drain();
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#queued[0]; next !== undefined; next = this.#queued[0]) {
        const count = await this.#sink.write?.(next) ?? next.length;
        this.#queuedBytes -= count;
        if (count < next.length) this.#queued[0] = next.subarray(count);
        else this.#queued.shift();
      }
    } catch {
      // Standard error is closed, so the failure cannot be reported.
      this.#queued = [];
      this.#queuedBytes = 0;
    }
    this.#writing = undefined;
  }

  #writeNow(bytes: Uint8Array): void {
    let rest = bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(this.#sink.writeSync(rest));
    } catch {
      // Standard error is closed, so the failure cannot be reported.
    }
  }
}
