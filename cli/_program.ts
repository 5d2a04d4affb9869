import { Command } from "./_command.ts";
import { type CommandModule, COMMANDS } from "./_commands.ts";
import { UsageError } from "./_errors.ts";
import { formatTable } from "./_format.ts";
import { addCommonOptions } from "./_options.ts";
import { suggest } from "./_suggestion.ts";

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
A reference is [docker://]NAME[:TAG][@DIGEST], as in alpine:3.20 or ghcr.io/owner/app@sha256:….

Examples:
  oci pull alpine:3.20              pull an image into the store
  oci inspect alpine:3.20           show what it consists of
  oci permissions pull alpine:3.20  print the least permissions for that pull
  oci pull --help                   read about one command

Results go to standard output, everything else to standard error.
Exit codes: 0 done, 1 failed, 2 misused, 130 interrupted.`;

/**
 * Refuses a command that there is not, and suggests one that there is.
 *
 * @throws {UsageError} Always.
 */
export function refuseCommand(name: string): never {
  const advice = suggest(name, [...COMMANDS.keys(), "help"]) ?? 'see "oci --help"';
  throw new UsageError(`unknown command "${name}"; ${advice}`);
}
