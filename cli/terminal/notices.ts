const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** Most bytes that wait for a reader that does not read; what comes after them is dropped. */
const MAX_QUEUED_BYTES = 1_000_000;

/** A terminal, or a file or pipe that stands where one is expected. */
export interface NoticeSink {
  /** Writes a part of the bytes at once, and says how many. */
  writeSync(bytes: Uint8Array): number;
  /** Writes a part of the bytes without keeping the program from all else, and says how many. */
  write?(bytes: Uint8Array): Promise<number>;
}

/** Standard error. Only a pipe makes its writer wait for a reader. */
function standardError(): NoticeSink {
  const { stderr } = Deno;
  return stderr.isTerminal() ? { writeSync: (bytes) => stderr.writeSync(bytes) } : stderr;
}

/**
 * What is said on standard error: lines that stay, and below them a block of status lines
 * that is redrawn in place.
 *
 * A standard error that cannot be written to is ignored: the results matter more.
 */
export class Notices implements Disposable {
  readonly #sink: NoticeSink;
  #status: readonly string[] = [];
  #hidden = false;
  #queued: Uint8Array[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;

  /** Writes to stderr, unless another sink is given. */
  constructor(sink: NoticeSink = standardError()) {
    this.#sink = sink;
  }

  /** Waits until everything is written; `undefined` if it is. */
  flush(): Promise<void> | undefined {
    return this.#writing;
  }

  /** Writes a line that stays, above the status block. */
  line(text: string): void {
    this.#write(`${this.#eraseSequence()}${text}\n${this.#status.join("\n")}`);
  }

  /** Writes text that stays as it is, such as a prompt, without a line end. */
  text(text: string): void {
    this.#write(text);
  }

  /** Shows these lines in place of the last ones. They must fit the terminal's width. */
  status(lines: readonly string[]): void {
    const before = this.#eraseSequence();
    this.#status = lines;
    let sequence = before + lines.join("\n");
    if (lines.length > 0 && !this.#hidden) sequence = HIDE_CURSOR + sequence;
    if (lines.length === 0 && this.#hidden) sequence += SHOW_CURSOR;
    this.#hidden = lines.length > 0;
    if (sequence !== "") this.#write(sequence);
  }

  /** Removes the status block and gives the cursor back. */
  [Symbol.dispose](): void {
    this.status([]);
  }

  /** Back to the start of the block, then everything below is erased. */
  #eraseSequence(): string {
    const height = this.#status.length;
    if (height === 0) return "";
    return `\r${height > 1 ? `\x1b[${height - 1}A` : ""}\x1b[J`;
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
      // Nobody reads standard error any more; there is nowhere left to say so.
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
      // Nobody reads standard error any more; there is nowhere left to say so.
    }
  }
}
