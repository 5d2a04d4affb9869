import { Argument, type Command } from "commander";
import { COMMANDS } from "./_commands.ts";
import { type CommandOutline, SCRIPTS } from "./_completion_scripts.ts";
import { defineCommand } from "./_parse.ts";
import type { Session } from "./_session.ts";

/** Commander keeps this one apart from the others. */
const HELP = { long: "--help", description: "show this help", takesValue: false, choices: [] };

/** Describes `oci completions`. */
export function define(command: Command): Command {
  return command.description("Prints a script that completes commands and options in a shell.")
    .addArgument(new Argument("<shell>", "the shell").choices([...SCRIPTS.keys()]))
    .addHelpText(
      "after",
      `
Examples:
  oci completions bash > ~/.local/share/bash-completion/completions/oci
  oci completions zsh > "\${fpath[1]}/_oci"
  oci completions fish > ~/.config/fish/completions/oci.fish`,
    );
}

/** Runs `oci completions`. */
export async function run(session: Session): Promise<void> {
  const outlines: CommandOutline[] = [];
  for (const [name, entry] of COMMANDS) {
    const { options } = defineCommand(name, await entry.load());
    const outlined = options.flatMap(({ long, description, required, argChoices = [] }) => {
      return long ? [{ long, description, takesValue: required, choices: argChoices }] : [];
    });
    outlines.push({ name, summary: entry.summary, options: [...outlined, HELP] });
  }
  const script = SCRIPTS.get(session.operands[0] ?? "")?.(outlines) ?? "";
  await session.print({ script }, [script]);
}
