/**
 * Thrown when the reader of standard output has gone, as `head` does: nobody is left to tell,
 * and nothing went wrong.
 */
export class OutputClosedError extends Error {
  /** Creates the error; `cause` is what the system said. */
  constructor(cause: unknown) {
    super("Cannot write to standard output: its reader has gone", { cause });
    this.name = "OutputClosedError";
  }
}

/** Where a stream of text or bytes goes; `Deno.stdout` and `Deno.stderr` are two. */
export interface Sink {
  /** Writes a part of the bytes, and says how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** The results of a command, on standard output. */
export class Output {
  readonly #sink: Sink;

  constructor(sink: Sink = Deno.stdout) {
    this.#sink = sink;
  }

  /** Writes bytes as they are. */
  async bytes(bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    try {
      while (rest.length > 0) rest = rest.subarray(await this.#sink.write(rest));
    } catch (error) {
      throw error instanceof Deno.errors.BrokenPipe ? new OutputClosedError(error) : error;
    }
  }

  /** Writes a line, or several. */
  async text(text: string): Promise<void> {
    await this.bytes(new TextEncoder().encode(`${text}\n`));
  }

  /** Writes the one JSON document of `--json`, indented for people who read it all the same. */
  async json(value: unknown): Promise<void> {
    await this.text(JSON.stringify(value, undefined, 2));
  }
}
