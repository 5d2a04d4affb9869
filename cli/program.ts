import { Command, type Option } from "./frame/command.ts";
import { type CommandModule, COMMANDS } from "./commands.ts";
import { UsageError } from "./frame/errors.ts";
import { formatTable } from "./terminal/format.ts";
import { addCommonOptions } from "./frame/options.ts";
import { suggest } from "./frame/suggestion.ts";

/** The declaration of a command, with the options that every command takes. */
export function declareCommand(name: string, module: CommandModule): Command {
  return addCommonOptions(module.define(new Command(`oci ${name}`))).option(...HELP);
}

/** The declaration of the program without a command. Its help lists the commands. */
export function declareProgram(): Command {
  const commands = formatTable([...COMMANDS].map(([name, { summary }]) => [`  ${name}`, summary]));
  const program = new Command("oci").usage("<command> [options]")
    .description(`${DESCRIPTION}\n\nCommands:\n${commands.join("\n")}`)
    .notes(NOTES);
  return addCommonOptions(program)
    .option("--version", "print the versions of oci and Deno")
    .option(...HELP);
}

const HELP = ["-h, --help", "show this help"] as const;
const DESCRIPTION = "Pulls, verifies and keeps OCI container images, without a daemon.";

const NOTES = `
A reference is [docker://]NAME[:TAG][@DIGEST], as in alpine:3.20 or ghcr.io/owner/app@sha256:…,
or oci:DIR[:NAME] for an image in an OCI layout on disk.

Examples:
  oci pull alpine:3.20              pull an image into the store
  oci inspect alpine:3.20           show what it consists of
  oci permissions pull alpine:3.20  print the least permissions for that pull
  oci pull --help                   read about one command

Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted (Ctrl-C), 143 terminated.`;

/**
 * Refuses a command that there is not, and suggests one that there is.
 *
 * @throws {UsageError} Always.
 */
export function refuseCommand(name: string): never {
  const advice = suggest(name, [...COMMANDS.keys(), "help"]) ?? 'see "oci --help"';
  throw new UsageError(`unknown command "${name}"; ${advice}`);
}

/** A command line, taken apart at the name of the command. */
export interface SplitArguments {
  /** The first word that is not an option. */
  readonly name: string | undefined;
  /** Everything else, in order. */
  readonly rest: readonly string[];
}

/** Finds the name of the command; options may stand before it. */
export async function splitArguments(args: readonly string[]): Promise<SplitArguments> {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") break;
    if (!arg.startsWith("-")) return { name: arg, rest: args.toSpliced(i, 1) };
    if (await takesValue(arg)) i++;
  }
  return { name: undefined, rest: args };
}

/** Whether an option takes a value: one of the program, or of a command that is not known yet. */
async function takesValue(flag: string): Promise<boolean> {
  const isMeant = ({ long, short }: Option) => flag === long || flag === short;
  const own = declareProgram().options.find(isMeant);
  if (own !== undefined || !/^--?[a-z-]+$/.test(flag)) return own?.takesValue ?? false;
  for (const [name, { load }] of COMMANDS) {
    const option = declareCommand(name, await load()).options.find(isMeant);
    if (option !== undefined) return option.takesValue;
  }
  return false;
}
