import { Command, CommanderError } from "commander";
import { type CommandModule, COMMANDS } from "./_commands.ts";
import { UsageError } from "./_errors.ts";
import { formatTable } from "./_format.ts";
import { addCommonOptions } from "./_options.ts";
import { terminalSize } from "./_terminal.ts";

/** Asked for with `--help`: not a failure, but the end of parsing. */
export class HelpRequest extends Error {
  /** The text to show. */
  readonly text: string;

  constructor(text: string) {
    super("help was asked for");
    this.name = "HelpRequest";
    this.text = text;
  }
}

/** A command of commander that neither prints nor ends the process. */
function quietCommand(name: string): Command {
  return new Command(name)
    .exitOverride()
    .configureHelp({ helpWidth: helpWidth(), showGlobalOptions: true })
    .configureOutput({
      writeOut: () => {},
      writeErr: () => {},
      outputError: () => {},
      // Asked otherwise, commander reads variables that the user need not have granted.
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
}

/** As wide as the terminal, but no wider than reads well. */
function helpWidth(): number {
  return Deno.stdout.isTerminal() ? Math.min(terminalSize().columns, 100) : 100;
}

/** A command with everything that its help shows. */
export function defineCommand(name: string, module: CommandModule): Command {
  return addCommonOptions(module.define(quietCommand(`oci ${name}`)));
}

/**
 * Parses what follows the name of a command.
 *
 * @throws {UsageError} If it is not what the command takes.
 * @throws {HelpRequest} If it asks for help.
 */
export function parseCommand(
  name: string,
  module: CommandModule,
  args: readonly string[],
): Command {
  const command = defineCommand(name, module);
  return parse(command, args);
}

/**
 * Parses the options of a command line that has no command.
 *
 * @throws {UsageError} If one of them is wrong.
 * @throws {HelpRequest} If they ask for help.
 */
export function parseWithoutCommand(args: readonly string[]): void {
  try {
    parse(addCommonOptions(quietCommand("oci")), args);
  } catch (error) {
    throw error instanceof HelpRequest ? new HelpRequest(programHelp()) : error;
  }
}

/**
 * Refuses a command that there is not, and suggests one that there is.
 *
 * @throws {UsageError} Always.
 */
export function refuseCommand(name: string): never {
  const program = quietCommand("oci");
  for (const known of COMMANDS.keys()) program.addCommand(quietCommand(known));
  parse(program, ["--", name]);
  throw new UsageError(`there is no command "${name}"; see "oci --help"`);
}

/** Help for the whole program: what there is, and where to read on. */
export function programHelp(): string {
  const commands = formatTable([...COMMANDS].map(([name, { summary }]) => [`  ${name}`, summary]));
  const program = quietCommand("oci")
    .usage("<command> [options]")
    .description(`${DESCRIPTION}\n\nCommands:\n${commands.join("\n")}`)
    .addHelpText("after", PROGRAM_HELP);
  return helpOf(
    addCommonOptions(program).option("--version", "print the versions of oci and Deno"),
  );
}

const DESCRIPTION = "Pulls, verifies and keeps OCI container images, without a daemon.";

const PROGRAM_HELP = `
A reference is [docker://]NAME[:TAG][@DIGEST], as in alpine:3.20 or ghcr.io/owner/app@sha256:….

Examples:
  oci pull alpine:3.20              pull an image into the store
  oci inspect alpine:3.20           show what it consists of
  oci permissions pull alpine:3.20  print the least permissions for that pull
  oci pull --help                   read about one command

Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted.`;

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => text += part });
  command.outputHelp();
  return text.trimEnd();
}

function parse(command: Command, args: readonly string[]): Command {
  try {
    return command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.helpDisplayed") throw new HelpRequest(helpOf(command));
    throw new UsageError(usageMessage(error.message, `${command.name()} --help`));
  }
}

/** Commander's message in the form of ours: one line, what is wrong and what to do. */
function usageMessage(message: string, help: string): string {
  const [wrong = "", suggestion] = message.replace(/^error: /, "").split("\n");
  const match = /^\(Did you mean (?:one of )?(.*)\?\)$/.exec(suggestion ?? "");
  const advice = match ? `did you mean ${match[1]}?` : `see "${help}"`;
  const plain = wrong.replaceAll("'", '"').replace(/\.$/, "")
    .replace(/ is invalid\. (\w)/, (_, first: string) => ` is invalid: ${first.toLowerCase()}`)
    .replace(/\. (\w)/, (_, first: string) => `: ${first.toLowerCase()}`);
  return `${plain}; ${advice}`;
}
