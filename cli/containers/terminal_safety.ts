import { printable, printableText } from "../terminal/format.ts";

/** The parts of a process that runtimes repeat in their errors. */
interface NamedProcess {
  readonly args?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env?: readonly string[] | undefined;
}

/**
 * Returns a stream for the stderr of a container whose command, working directory or `PATH`
 * contains control characters. If the runtime cannot start the command, it prints them unchanged,
 * and they would control the terminal. The stream escapes all of them except tabs and line ends.
 *
 * @param terminal Where the escaped text goes.
 * @returns `undefined` if nothing needs to be escaped.
 */
export async function safeStderr(
  path: string,
  terminal: { text(text: string): void },
): Promise<WritableStream<Uint8Array> | undefined> {
  const { process = {} }: { readonly process?: NamedProcess } = JSON.parse(
    await Deno.readTextFile(`${path}/config.json`),
  );
  const { args: [command = ""] = [], cwd = "", env = [] } = process;
  const variables = env.filter((variable) => variable.startsWith("PATH="));
  if ([command, cwd, ...variables].every((text) => printable(text) === text)) return undefined;
  const decoder = new TextDecoder();
  return new WritableStream({
    write(chunk) {
      terminal.text(printableText(decoder.decode(chunk, { stream: true })));
    },
  });
}
