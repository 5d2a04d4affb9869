import type { Command } from "../../frame/command.ts";
import { type CommandOutline, SCRIPTS } from "../../frame/completion_scripts.ts";
import { type CommandTable, declareCommand, declareProgram } from "../../frame/program.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return command.description(
    "Prints a script that completes commands, options and their values, and names in the store.",
  )
    .argument("<shell>", "shell to complete in", { choices: [...SCRIPTS.keys()] })
    .notes(`
Examples:
  oci completions bash > ~/.local/share/bash-completion/completions/oci
  oci completions zsh > "\${fpath[1]}/_oci"
  oci completions fish > ~/.config/fish/completions/oci.fish`);
}

export async function run(session: Session, commands: CommandTable): Promise<void> {
  const outlines: CommandOutline[] = [];
  for (const [name, entry] of commands) {
    const { options, arguments: operands } = declareCommand(name, await entry.load(), commands);
    outlines.push({ name, summary: entry.summary, options, arguments: operands });
  }
  const script = SCRIPTS.get(session.operands[0] ?? "")?.(
    outlines,
    declareProgram(commands).options,
  ) ?? "";
  if (session.options().json) await session.output.json({ script });
  else await session.output.text(script);
}
