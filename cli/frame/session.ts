import type { CommandLine } from "./command_line.ts";
import type { Notices } from "../terminal/notices.ts";
import type { CommonOptions } from "./options.ts";
import type { Output } from "../terminal/output.ts";
import { printable } from "../terminal/format.ts";

/** What a command works with: its arguments, where it may write, and when it must stop. */
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
  /** What the command line calls it. */
  readonly name: string;
  /** Arguments that are not options. */
  readonly operands: readonly string[];
  /** Standard output: results, and nothing else. */
  readonly output: Output;
  /** Standard error: everything else. */
  readonly notices: Notices;
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal;
  readonly #options: CommandLine["options"];
  readonly #warned = new Set<string>();
  readonly #owned = new DisposableStack();
  #subject = "";

  constructor(parts: SessionParts) {
    this.#options = parts.commandLine.options;
    this.name = parts.name;
    this.operands = parts.commandLine.operands;
    this.output = parts.output;
    this.notices = parts.notices;
    this.signal = parts.signal;
    this.#subject = this.operands.join(" ");
  }

  /** The options, those of every command and those of this one. */
  options<T extends object = object>(): CommonOptions & T {
    return this.#options as CommonOptions & T;
  }

  /** Disposes of something at the end of the command. */
  own<T extends Disposable>(resource: T): T {
    return this.#owned.use(resource);
  }

  /** Disposes of all that the command opened and handed over. */
  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  /** Names what the command works on from here, for the line of an error. */
  workOn(subject: string): void {
    this.#subject = subject;
  }

  /** What is being done, as an error says it: `pull alpine:3`. */
  get doing(): string {
    // What somebody took for a URL may hold a password.
    const subject = this.#subject.replaceAll(/:[^\s/@:]*@(?=[^\s/@]*\/)/g, ":***@");
    return `${this.name} ${subject}`.trim();
  }

  /** Shows a warning, once. */
  readonly warn = (message: string): void => {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.notices.line(printable(`oci: warning: ${message}`));
  };

  /** Says what takes so long, unless the user does not want to know. */
  readonly note = (message: string): void => {
    if (!this.options().quiet) this.notices.line(printable(`oci: ${message}`));
  };

  /** Prints a result: a document with `--json`, else lines. */
  async print(document: unknown, lines: readonly string[]): Promise<void> {
    if (this.options().json) await this.output.json(document);
    else if (lines.length > 0) await this.output.text(lines.join("\n"));
  }
}
