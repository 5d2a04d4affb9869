import type { ImageProgress } from "../../registry/image_client.ts";
import { readGrantedEnvironment } from "../../spec/granted.ts";
import { hidePasswords, withSmallLetter } from "../terminal/format.ts";
import type { Notices } from "../terminal/notices.ts";
import type { Output } from "../terminal/output.ts";
import type { ProgressView, ProgressWords } from "../terminal/progress.ts";
import { fitToTerminal } from "../terminal/terminal.ts";
import type { Command } from "./command.ts";
import type { CommandLine } from "./command_line.ts";
import type { Interruption } from "./interruption.ts";
import type { CommonOptions, RegistryOptions } from "./options.ts";

/** Progress display of a command on stderr. Disposing of it prints the final lines. */
export interface ShownProgress extends AsyncDisposable {
  readonly report: (event: ImageProgress) => void;
}

interface SessionParts
  extends Pick<Session, "name" | "command" | "output" | "notices" | "interruption"> {
  readonly commandLine: CommandLine;
}

/** One run of one command. */
export class Session implements Disposable {
  readonly name: string;
  readonly command: Command;
  readonly operands: readonly string[];
  /** Standard output, for results only. */
  readonly output: Output;
  /** Standard error, for everything else. */
  readonly notices: Notices;
  readonly interruption: Interruption;
  readonly #options: CommandLine["options"];
  readonly #warned = new Set<string>();
  readonly #owned = new DisposableStack();
  #subject: string;
  #partial: string[] | undefined;

  constructor({ name, command, commandLine, output, notices, interruption }: SessionParts) {
    const { options, operands } = commandLine;
    this.#options = options;
    this.name = name;
    this.command = command;
    this.operands = operands;
    this.output = output;
    this.notices = notices;
    this.interruption = interruption;
    this.#subject = operands.join(" ");
    if (this.options<RegistryOptions>().progress === "json") notices.useJson();
  }

  /** Aborts when the user interrupts. */
  get signal(): AbortSignal {
    return this.interruption.signal;
  }

  /** Returns the common options and those of this command. */
  options<T extends object = object>(): CommonOptions & T {
    return this.#options as CommonOptions & T;
  }

  /** Registers a resource to dispose of at the end of the command. */
  own<T extends Disposable>(resource: T): T {
    return this.#owned.use(resource);
  }

  [Symbol.dispose](): void {
    this.#owned.dispose();
  }

  /** Sets the subject of the command for error messages. */
  workOn(subject: string): void {
    this.#subject = subject;
  }

  /** Part of a listing before it failed, which `--json` prints with the error. */
  get partial(): readonly string[] | undefined {
    return this.#partial;
  }

  /** Current action for error messages, such as `pull alpine:3`. */
  get action(): string {
    return `${this.name} ${hidePasswords(this.#subject)}`.trim();
  }

  /** Shows a warning, but each only once. */
  readonly warn = (message: string): void => {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    // Warnings of the library begin with a capital letter.
    this.notices.report("warning", withSmallLetter(message));
  };

  /** Shows a note on stderr, unless `--quiet` is set. */
  readonly note = (message: string): void => {
    if (!this.options().quiet) this.notices.report("note", message);
  };

  /**
   * Shows progress in the style that the options and the terminal call for. Loads the display with
   * the first event: loading takes as long as finding an image in the store, which has no progress.
   */
  showProgress(words?: Partial<ProgressWords>): ShownProgress {
    const { quiet, progress = "auto", progressInterval = 10_000 } = this.options<RegistryOptions>();
    if (quiet || progress === "none") return { report() {}, async [Symbol.asyncDispose]() {} };
    const early: ImageProgress[] = [];
    let view: ProgressView | undefined;
    let loading: Promise<void> | undefined;
    const load = async () => {
      const { openProgress, progressStyle } = await import("../terminal/progress.ts");
      const style = progressStyle(
        progress,
        Deno.stderr.isTerminal(),
        readGrantedEnvironment("TERM"),
      );
      view = openProgress(style, this.notices, progressInterval, undefined, words);
      early.forEach(view.report);
    };
    return {
      report: (event) => {
        if (view !== undefined) return view.report(event);
        early.push(event);
        loading ??= load();
      },
      [Symbol.asyncDispose]: async () => {
        await loading;
        view?.[Symbol.dispose]();
      },
    };
  }

  /** Prints a result: a document with `--json`, otherwise lines. */
  async print(document: unknown, lines: readonly string[]): Promise<void> {
    if (this.options().json) await this.output.json(document);
    else await this.output.lines(fitToTerminal(lines));
  }

  /** Prints names as they arrive, one per line; with `--json`, an array of all of them. */
  async printEach(names: AsyncIterable<string>): Promise<void> {
    const found: string[] = this.#partial = [];
    if (!this.options().json) return await this.output.eachLine(names);
    for await (const name of names) found.push(name);
    await this.output.json(found);
  }
}
