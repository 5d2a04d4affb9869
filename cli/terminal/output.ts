import { OciError } from "../../spec/errors.ts";
import { abortable } from "./abortable.ts";

/**
 * Thrown when the reader of what is written has gone, as `head` does: nobody is left to tell,
 * and nothing went wrong.
 */
export class OutputClosedError extends Error {
  /** Creates the error; `cause` is what the system said. */
  constructor(name: string, cause: unknown) {
    super(`Cannot write to ${name}: its reader has gone`, { cause });
    this.name = "OutputClosedError";
  }
}

/** Where a stream of text or bytes goes; `Deno.stdout` and `Deno.stderr` are two. */
export interface Sink {
  /** Writes a part of the bytes, and says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Options of {@linkcode Output}. */
export interface OutputOptions {
  /**
   * Where to write.
   *
   * @default `Deno.stdout`
   */
  readonly sink?: Sink | undefined;
  /**
   * What errors call the sink.
   *
   * @default {"standard output"}
   */
  readonly name?: string | undefined;
  /** Called before each write, for what has to come first: notices that were given before. */
  readonly before?: (() => Promise<void> | undefined) | undefined;
  /** Ends writes that wait, as for a pipe whose reader does not read. */
  readonly signal?: AbortSignal | undefined;
}

/** Where the results of a command go. */
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
      const why = error instanceof Error ? error.message : String(error);
      throw new OciError(`Cannot write to ${this.#name}: ${why}; send it elsewhere`, {
        cause: error,
      });
    }
  }

  /** Writes a line, or several. */
  async text(text: string): Promise<void> {
    await this.bytes(new TextEncoder().encode(`${text}\n`));
  }

  /** Writes the one JSON document of `--json`, indented for people who read it all the same. */
  async json(value: unknown): Promise<void> {
    await this.text(escaped(stringify(value)));
  }
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value, undefined, 2);
  } catch (cause) {
    // A document of an image may be nested as deeply as it is long: the stack ends before that.
    if (!(cause instanceof RangeError)) throw cause;
    const advice = "see the documents as served with --raw and --config";
    throw new OciError(`Cannot write JSON that is nested so deeply; ${advice}`, { cause });
  }
}

/** JSON with those characters as escapes, too, that could steer a terminal. */
export function escaped(json: string): string {
  return json.replaceAll(/[\x7f-\x9f\p{Cf}\u2028\u2029]/gu, (character) => {
    return Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join("");
  });
}
