import type { Option } from "./command.ts";

/** A command, reduced to the facts that completion needs. */
export interface CommandOutline {
  readonly name: string;
  /** One-line summary. */
  readonly summary: string;
  readonly options: readonly Option[];
}

/** Script generators by shell. */
export const SCRIPTS: ReadonlyMap<string, (commands: readonly CommandOutline[]) => string> =
  new Map([["bash", bashScript], ["zsh", zshScript], ["fish", fishScript]]);

function bashScript(commands: readonly CommandOutline[]): string {
  const flags = commands.map(({ name, options }) => {
    return `          ${name}) words="${options.map(({ long }) => long).join(" ")}" ;;`;
  });
  const choices = new Map(commands.flatMap(({ options }) => {
    return options.map(({ long, choices = [] }) => [long, choices.join(" ")] as const);
  }));
  const values = [...choices].filter(([, words]) => words !== "")
    .map(([flag, words]) => `    ${flag}) words="${words}" ;;`);
  return `# Completes oci in bash.
_oci() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  local commands="${commands.map(({ name }) => name).join(" ")}"
  case "\${COMP_WORDS[COMP_CWORD - 1]}" in
${values.join("\n")}
    completions) words="${[...SCRIPTS.keys()].join(" ")}" ;;
    help | permissions) words="$commands" ;;
    *)
      if [ "$COMP_CWORD" -eq 1 ]; then
        words="help $commands"
      elif [[ "$current" == -* ]]; then
        case "\${COMP_WORDS[1]}" in
${flags.join("\n")}
        esac
      fi
      ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _oci oci`;
}

function zshScript(commands: readonly CommandOutline[]): string {
  const cases = commands.map(({ name, options }) => {
    const specs = options.map(({ long, description, takesValue, choices = [] }) => {
      const values = choices.length > 0 ? `(${choices.join(" ")})` : "_files";
      // Square brackets and colons delimit the parts of a specification.
      const text = description.replaceAll(/[[\]:]/g, "\\$&");
      return quote(`${long}[${text}]${takesValue ? `:value:${values}` : ""}`);
    });
    return `    ${name}) _arguments ${specs.join(" ")} "*:argument:_files" ;;`;
  });
  const list = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  return `#compdef oci
# Completes oci in zsh.
_oci() {
  local -a commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
if [ "$funcstack[1]" = "_oci" ]; then
  _oci "$@"
else
  compdef _oci oci
fi`;
}

function fishScript(commands: readonly CommandOutline[]): string {
  const lines = ["# Completes oci in fish."];
  for (const { name, summary, options } of commands) {
    lines.push(`complete -c oci -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`);
    for (const { long, description, takesValue, choices = [] } of options) {
      const value = choices.length > 0
        ? ` -x -a ${quote(choices.join(" "))}`
        : takesValue
        ? " -r"
        : "";
      const seen = quote(`__fish_seen_subcommand_from ${name}`);
      lines.push(`complete -c oci -n ${seen} -l ${long.slice(2)}${value} -d ${quote(description)}`);
    }
  }
  return lines.join("\n");
}

/** Quotes a word in a way that all three shells parse. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
