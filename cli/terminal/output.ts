import { abortable } from "../../registry/tasks/abortable.ts";
import { OciError } from "../../spec/errors.ts";
import { printable, printableText } from "./format.ts";

/** Maximum number of lines that wait for a write. */
const MAX_WAITING = 1000;

/**
 * Thrown when the reader of the output has closed it, as `head` does. This is not a failure.
 */
export class OutputClosedError extends Error {
  /** Creates the error; `cause` is the error of the system. */
  constructor(name: string, cause: unknown) {
    super(`Cannot write to ${name}: the reader closed it`, { cause });
    this.name = "OutputClosedError";
  }
}

/** A destination for text or bytes, such as `Deno.stdout` or `Deno.stderr`. */
export interface Sink {
  /** Writes some of the bytes, and returns their number. */
  write(bytes: Uint8Array): Promise<number>;
  /** Returns whether a terminal shows the bytes. */
  isTerminal?(): boolean;
}

export interface OutputOptions {
  /**
   * Destination of the output.
   *
   * By default, `Deno.stdout`.
   */
  readonly sink?: Sink | undefined;
  /**
   * Name of the sink in errors.
   *
   * @default {"standard output"}
   */
  readonly name?: string | undefined;
  /** Called before each write, so that earlier notices can be flushed. */
  readonly before?: (() => Promise<void> | undefined) | undefined;
  /** Aborts pending writes, such as those to a pipe whose reader has stopped reading. */
  readonly signal?: AbortSignal | undefined;
}

/** Writer for the results of a command. */
export class Output {
  readonly #sink: Sink;
  readonly #name: string;
  readonly #before: OutputOptions["before"];
  readonly #signal: AbortSignal | undefined;

  /** Writes to stdout, unless the options name another sink. */
  constructor(options: OutputOptions = {}) {
    const { sink = Deno.stdout, name = "standard output", before, signal } = options;
    this.#before = before;
    this.#sink = sink;
    this.#name = name;
    this.#signal = signal;
  }

  /** Writes bytes as they are. */
  async bytes(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    try {
      const earlier = this.#before?.();
      if (earlier !== undefined) await abortable(earlier, this.#signal);
      while (rest.length > 0) {
        rest = rest.subarray(await abortable(this.#sink.write(rest), this.#signal));
      }
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (error instanceof Deno.errors.BrokenPipe) throw new OutputClosedError(this.#name, error);
      // An error about a file already names it.
      if (!(error instanceof Error) || error instanceof OciError) throw error;
      const { outputError } = await import("../../store/host/system_error.ts");
      throw outputError(this.#name, error, "stream");
    }
  }

  /**
   * Writes the content of an untrusted file: unchanged, but on a terminal with escapes for control
   * characters except tabs and line ends.
   */
  async content(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const isShown = this.#sink.isTerminal?.() ?? false;
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    for await (const chunk of chunks) {
      if (isShown) await this.#escaped(decoder.decode(chunk, { stream: true }));
      else await this.bytes(chunk);
    }
    if (isShown) await this.#escaped(decoder.decode());
  }

  async #escaped(text: string): Promise<void> {
    await this.bytes(new TextEncoder().encode(printableText(text)));
  }

  /** Writes lines, with escapes for control characters. */
  async lines(lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.text(lines.map(printable).join("\n"));
  }

  /** Writes lines as they arrive: together, those that arrive during a write. */
  async eachLine(lines: AsyncIterable<string>): Promise<void> {
    const iterator = lines[Symbol.asyncIterator]();
    const waiting: string[] = [];
    let writing: Promise<void> | undefined;
    const write = async () => {
      while (waiting.length > 0) await this.lines(waiting.splice(0));
      writing = undefined;
    };
    try {
      for (;;) {
        const next = iterator.next();
        // A failed write ends the wait for the next line.
        const { done, value } = await Promise.race([
          next,
          ...writing ? [writing.then(() => next)] : [],
        ]);
        if (done) return;
        waiting.push(value);
        writing ??= write();
        if (waiting.length >= MAX_WAITING) await writing;
      }
    } finally {
      await writing;
    }
  }

  /** Writes text of the program as it is, and a line end. */
  async text(text: string): Promise<void> {
    await this.bytes(new TextEncoder().encode(`${text}\n`));
  }

  /** Writes the JSON document of `--json`, indented for readability. */
  async json(value: unknown): Promise<void> {
    await this.text(escaped(stringify(value)));
  }
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value, undefined, 2);
  } catch (cause) {
    // A deeply nested document of an image overflows the stack.
    if (!(cause instanceof RangeError)) throw cause;
    throw new OciError("it is nested too deeply", {
      action: "write the result as JSON",
      advice: "Print the original document: without --json, or with --raw or --config",
      cause,
    });
  }
}

/** Returns JSON with escapes for characters that could control a terminal. */
export function escaped(json: string): string {
  return json.replaceAll(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, (character) => {
    return Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join("");
  });
}
