import { CommandError } from "../frame/errors.ts";
import { printable } from "../terminal/format.ts";

/** The parts of a process that runtimes repeat in their errors. */
interface NamedProcess {
  readonly args?: readonly string[] | undefined;
  readonly cwd?: string | undefined;
  readonly env?: readonly string[] | undefined;
}

/**
 * Rejects a bundle whose command, working directory or `PATH` contains control characters. A runtime
 * that cannot start the command prints them as they are, and they would control the terminal.
 *
 * @param path Directory of the bundle.
 * @throws {CommandError} If one of them contains control characters.
 */
export async function checkTerminalSafety(path: string): Promise<void> {
  const { process = {} }: { readonly process?: NamedProcess } = JSON.parse(
    await Deno.readTextFile(`${path}/config.json`),
  );
  const { args: [command = ""] = [], cwd = "", env = [] } = process;
  const variables = env.filter((variable) => variable.startsWith("PATH="));
  const unsafe = [command, cwd, ...variables].find((text) => printable(text) !== text);
  if (unsafe === undefined) return;
  throw new CommandError(
    `cannot run "${unsafe}" on a terminal: it contains control characters`,
    "Redirect stderr",
    { subject: path },
  );
}
