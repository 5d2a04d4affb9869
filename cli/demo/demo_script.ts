import { readGrantedEnvironment } from "../../spec/granted.ts";
import type { Session } from "../frame/session.ts";
import { fitToTerminal } from "../terminal/terminal.ts";
import { ownCommand } from "./own_command.ts";

const BOLD = "\x1b[1m";
const PLAIN = "\x1b[0m";

/** Prints the demo's steps to stdout, each with a heading and some lines. */
export class DemoScript {
  readonly #session: Session;
  readonly #bold: boolean;
  #count = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#bold = Deno.stdout.isTerminal() && !Deno.noColor &&
      readGrantedEnvironment("TERM") !== "dumb";
  }

  /** Prints a step, unless `--json` is set. */
  async step(title: string, lines: readonly string[]): Promise<void> {
    this.#session.signal.throwIfAborted();
    if (this.#session.options().json) return;
    const heading = fitToTerminal([`${++this.#count}. ${title}`]);
    const block = [
      ...heading.map((line) => this.#bold ? `${BOLD}${line}${PLAIN}` : line),
      ...fitToTerminal(lines.map((line) => line === "" ? "" : `   ${line}`)),
      "",
    ];
    await this.#session.output.text(block.join("\n"));
  }

  /** Prints the end of the demo, or with `--json` its document. */
  async end(document: unknown): Promise<void> {
    if (this.#session.options().json) return await this.#session.output.json(document);
    const lines = fitToTerminal([
      "Done. The registry and the store have been removed.",
      "Try it on a real image:",
    ]);
    // A command that is copied stays on its line.
    await this.#session.output.text(
      [...lines, "", `  ${ownCommand()} pull alpine:3.20`].join("\n"),
    );
  }
}
