const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";

/** A terminal, or a file or pipe that stands where one is expected. */
export interface NoticeSink {
  /** Writes a part of the bytes at once, and says how many. */
  writeSync(bytes: Uint8Array): number;
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

  constructor(sink: NoticeSink = Deno.stderr) {
    this.#sink = sink;
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
    let rest = new TextEncoder().encode(text);
    try {
      while (rest.length > 0) rest = rest.subarray(this.#sink.writeSync(rest));
    } catch {
      // Nobody reads standard error any more; there is nowhere left to say so.
    }
  }
}
