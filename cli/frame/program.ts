import { Command } from "./command.ts";
import { type CommandLine, parseCommandLine, type ParseOptions } from "./command_line.ts";
import { UsageError } from "./errors.ts";
import { addCommonOptions } from "./options.ts";
import type { Session } from "./session.ts";

/** Commands by name, in the order of the help. */
export type CommandTable = ReadonlyMap<string, CommandEntry>;

/** A command whose module is loaded on demand. */
export interface CommandEntry {
  /** One-line summary for the list of commands. */
  readonly summary: string;
  /** Loads only this command's module. */
  readonly load: () => Promise<CommandModule>;
}

export interface CommandModule {
  /** Adds the command's arguments, options, description and examples. */
  define(command: Command, commands: CommandTable): Command;
  /** Runs the command. A returned number is the exit code; 0 otherwise. */
  run(session: Session, commands: CommandTable): Promise<number | void>;
}

/** Declares a command with the common options. */
export function declareCommand(
  name: string,
  module: CommandModule,
  commands: CommandTable,
): Command {
  return addCommonOptions(module.define(new Command(`oci ${name}`), commands));
}

/** Declares the program without a command. Its help lists the commands. */
export function declareProgram(commands: CommandTable): Command {
  const program = new Command("oci").usage("<command> [options]")
    .description(DESCRIPTION)
    .list("Commands:", [...commands].map(([name, { summary }]) => [name, summary]))
    .notes(NOTES);
  return addCommonOptions(program)
    .option("--version", "print the versions of oci and Deno")
    .hint("-V", 'Use "--version"');
}

const DESCRIPTION = "Pulls, verifies and stores OCI container images without a daemon.";

const NOTES = `
A reference is [docker://]NAME[:TAG][@DIGEST], as in alpine:3.20 or ghcr.io/owner/app@sha256:…,
oci:DIR[:NAME] for an image in an OCI layout on disk, or oci-archive:FILE[:NAME] or
docker-archive:FILE[:NAME] for one in an archive; the file "-" is stdin, or stdout as a target.

Examples:
  oci pull alpine:3.20              pull an image into the store
  oci inspect alpine:3.20           show what it consists of
  oci permissions pull alpine:3.20  print the minimum permissions for that pull
  oci pull --help                   read about one command

Results go to standard output, everything else to standard error.
Exit codes: 0 success, 1 failure, 2 misuse, 130 interrupted (Ctrl-C), 143 terminated.`;

/** Parses the words after the name of a command. If that fails, flags of other tools get advice. */
export async function parseArguments(
  command: Command,
  words: readonly string[],
  options?: ParseOptions,
): Promise<CommandLine> {
  try {
    return parseCommandLine(command, words, options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    // The specifier is computed for the same reason as those of commands.
    const { href } = new URL("./foreign_options.ts", import.meta.url);
    const { addForeignHints }: typeof import("./foreign_options.ts") = await import(href);
    addForeignHints(command);
    return parseCommandLine(command, words, options);
  }
}

/** A command line, split at the name of the command. */
export interface SplitArguments {
  /** The first word that is not an option. */
  readonly name: string | undefined;
  readonly rest: readonly string[];
  /** First option before the name that neither the program nor a command has. */
  readonly unknown?: string | undefined;
}

/** Finds the name of the command; options may precede it. */
export async function splitArguments(
  args: readonly string[],
  commands: CommandTable,
): Promise<SplitArguments> {
  // A command may give another meaning to a short option of the program.
  const program = declareProgram(commands);
  let unknown: string | undefined;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") break;
    if (!arg.startsWith("-")) {
      const before = args.slice(0, i).flatMap((word) => inFull(word, program));
      const rest = [...before, ...args.slice(i + 1)];
      return unknown === undefined ? { name: arg, rest } : { name: arg, rest, unknown };
    }
    const takes = await takesValue(arg, program, commands);
    if (takes) i++;
    if (takes === undefined) unknown ??= arg;
  }
  return { name: undefined, rest: args };
}

/** Returns the long forms of short options of the program. */
function inFull(word: string, program: Command): readonly string[] {
  if (!/^-[a-z]+$/.test(word)) return [word];
  const options = [...word.slice(1)].map((letter) => program.find(`-${letter}`)?.long);
  return options.every((long) => long !== undefined) ? options : [word];
}

/**
 * Whether an option takes a value; `undefined` if it belongs neither to the program nor to a command,
 * which would follow.
 */
async function takesValue(
  flag: string,
  program: Command,
  commands: CommandTable,
): Promise<boolean | undefined> {
  const own = program.find(flag);
  if (own !== undefined || !/^--?[a-z-]+$/.test(flag)) return own?.takesValue ?? false;
  if (/^-[a-z]{2,}$/.test(flag)) return false;
  for (const [name, { load }] of commands) {
    const option = declareCommand(name, await load(), commands).find(flag);
    if (option !== undefined) return option.takesValue;
  }
  return undefined;
}
