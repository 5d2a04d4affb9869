import { hidePasswords, printable, withSmallLetter } from "../terminal/format.ts";
import type { Notices } from "../terminal/notices.ts";
import type { Output } from "../terminal/output.ts";
import { fitToTerminal } from "../terminal/terminal.ts";
import type { CommandLine } from "./command_line.ts";
import type { CommonOptions } from "./options.ts";

/** Options for {@linkcode Session}. */
export interface SessionParts {
  /** Name of the command. */
  readonly name: string;
  /** The parsed command line. */
  readonly commandLine: CommandLine;
  /** Standard output. */
  readonly output: Output;
  /** Standard error. */
  readonly notices: Notices;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
}

/** One run of one command. */
export class Session implements Disposable {
  /** Name of the command. */
  readonly name: string;
  /** Positional arguments. */
  readonly operands: readonly string[];
  /** Standard output, for results only. */
  readonly output: Output;
  /** Standard error, for everything else. */
  readonly notices: Notices;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  readonly #options: CommandLine["options"];
  readonly #warned = new Set<string>();
  readonly #owned = new DisposableStack();
  #subject = "";
  #partial: string[] | undefined;

  constructor(parts: SessionParts) {
    this.#options = parts.commandLine.options;
    this.name = parts.name;
    this.operands = parts.commandLine.operands;
    this.output = parts.output;
    this.notices = parts.notices;
    this.signal = parts.signal;
    this.#subject = this.operands.join(" ");
  }

  /** Returns the common options and those of this command. */
  options<T extends object = object>(): CommonOptions & T {
    return this.#options as CommonOptions & T;
  }

  /** Registers a resource to dispose of at the end of the command. */
  own<T extends Disposable>(resource: T): T {
    return this.#owned.use(resource);
  }

  /** Disposes of all registered resources. */
  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  /** Sets the subject of the command for error messages. */
  workOn(subject: string): void {
    this.#subject = subject;
  }

  /** Incomplete result of a listing that failed, which `--json` prints with the error. */
  get partial(): readonly string[] | undefined {
    return this.#partial;
  }

  /** Current action for error messages, such as `pull alpine:3`. */
  get doing(): string {
    return `${this.name} ${hidePasswords(this.#subject)}`.trim();
  }

  /** Shows a warning, once. */
  readonly warn = (message: string): void => {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    // The library begins its sentences with capital letters.
    this.notices.message(printable(`oci: warning: ${withSmallLetter(message)}`));
  };

  /** Shows a note on stderr, unless `--quiet` is set. */
  readonly note = (message: string): void => {
    if (!this.options().quiet) this.notices.message(printable(`oci: ${message}`));
  };

  /** Prints a result: a document with `--json`, otherwise lines. */
  async print(document: unknown, lines: readonly string[]): Promise<void> {
    if (this.options().json) await this.output.json(document);
    else if (lines.length > 0) await this.output.text(fitToTerminal(lines).join("\n"));
  }

  /** Prints names as they arrive, one per line; with `--json`, an array of all of them. */
  async printEach(names: AsyncIterable<string>): Promise<void> {
    const { json } = this.options();
    const found: string[] = this.#partial = [];
    for await (const name of names) {
      if (json) found.push(name);
      else await this.output.text(printable(name));
    }
    if (json) await this.output.json(found);
  }
}
