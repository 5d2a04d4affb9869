import type { Session } from "../frame/session.ts";
import { terminalKind } from "../terminal/terminal.ts";

const BOLD = "\x1b[1m";
const PLAIN = "\x1b[0m";

/** Tells the demo's story on standard output: a heading and some lines for each step. */
export class DemoScript {
  readonly #session: Session;
  readonly #bold: boolean;
  #count = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#bold = Deno.stdout.isTerminal() && !Deno.noColor && terminalKind() !== "dumb";
  }

  /** Tells a step, unless the story is to be a document. */
  async step(title: string, lines: readonly string[]): Promise<void> {
    this.#session.signal.throwIfAborted();
    if (this.#session.options().json) return;
    const heading = `${++this.#count}. ${title}`;
    const block = [
      this.#bold ? `${BOLD}${heading}${PLAIN}` : heading,
      ...lines.map((line) => line === "" ? "" : `   ${line}`),
      "",
    ];
    await this.#session.output.text(block.join("\n"));
  }

  /** Ends the story: with `--json`, by its only document. */
  async end(document: unknown): Promise<void> {
    if (this.#session.options().json) return await this.#session.output.json(document);
    await this.#session.output.text(`That is all; the registry and the store are gone again.
Try it on a real one: oci pull alpine:3.20`);
  }
}
