import { quoteForShell as quote } from "../terminal/format.ts";
import type { Argument, Option } from "./command.ts";

/** The parts of a command that completion needs. */
export interface CommandOutline {
  readonly name: string;
  /** One-line summary. */
  readonly summary: string;
  readonly options: readonly Option[];
  readonly arguments: readonly Argument[];
}

/** Script generators by shell. */
export const SCRIPTS: ReadonlyMap<string, (commands: readonly CommandOutline[]) => string> =
  new Map([["bash", bashScript], ["zsh", zshScript], ["fish", fishScript]]);

/** What to complete: given words, names of images in the store, commands, files, or nothing. */
type Kind = readonly string[] | "names" | "commands" | "files" | "directories" | "text";

function argumentKind({ name, choices }: Argument): Kind {
  if (choices !== undefined) return choices;
  if (/^(ref|src)$/.test(name)) return "names";
  if (name === "command") return "commands";
  if (/^(repo|registry|newtag)$/.test(name)) return "text";
  return name === "dir" ? "directories" : "files";
}

function optionKind({ flags, choices, examples }: Option): Kind {
  if (choices !== undefined) return choices;
  if (examples !== undefined) return examples;
  const [, value] = / <(.+)>$/.exec(flags) ?? [];
  if (value === "dir") return "directories";
  if (value === "ref") return "names";
  return value === "file" ? "files" : "text";
}

const HELP = "show the help of a command";

/**
 * Shell code that lists the names in the store, in full and as docker shortens them; `$1` is `oci`.
 */
const NAMES = `"$1" images 2>/dev/null | awk '
    NR > 1 && $1 != "-" { print $1; if (sub(/^docker\\.io\\/(library\\/)?/, "", $1)) print $1 }'`;

function bashScript(commands: readonly CommandOutline[]): string {
  const cases = commands.map(({ name, options, arguments: expected }) => {
    const valued = options.filter(({ takesValue }) => takesValue);
    const flags = valued.flatMap(({ short, long, aliases = [] }) => [short ?? [], long, aliases]);
    const kinds = expected.map((argument) => {
      const kind = argumentKind(argument);
      return typeof kind === "string" ? kind : kind.join(",");
    });
    return `    ${name})
      options="${options.map(({ long }) => long).join(" ")}"
      valued=" ${flags.flat(2).join(" ")} "
      kinds=(${kinds.join(" ")}) ;;`;
  });
  const values = new Map<string, string>();
  for (const option of commands.flatMap(({ options }) => options)) {
    const kind = optionKind(option);
    if (option.takesValue && kind !== "text") {
      values.set(option.long, typeof kind === "string" ? kind : kind.join(","));
    }
  }
  const byValue = Map.groupBy(values, ([, kind]) => kind);
  const kinds = [...byValue].map(([kind, flags]) => {
    return `      ${flags.map(([flag]) => flag).join(" | ")}) kind=${kind} ;;`;
  });
  return `# Completes oci in bash.
_oci_names() {
  ${NAMES}
}

_oci() {
  local line="\${COMP_LINE:0:COMP_POINT}" options="" valued=" " kind="" words="" i
  local commands="${commands.map(({ name }) => name).join(" ")}"
  local -a typed=() kinds=()
  read -ra typed <<< "$line"
  [[ "$line" == *[[:space:]] ]] && typed+=("")
  local last=$((\${#typed[@]} - 1)) first=1
  # Options may precede the command.
  while (( first < last )) && [[ "\${typed[first]}" == -* ]]; do
    [[ "\${typed[first]}" == --store ]] && ((first++))
    ((first++))
  done
  local current="\${typed[last]}" previous="\${typed[last - 1]}" command="\${typed[first]}"
  case "$command" in
${cases.join("\n")}
  esac
  if [[ "$current" == --*=* ]]; then
    previous="\${current%%=*}"
    current="\${current#*=}"
  fi
  if (( last < first )); then
    kind=directories
  elif (( last == first )); then
    words="help $commands"
  elif [[ "$command" == help ]]; then
    words="$commands"
  elif [[ "$valued" == *" $previous "* ]]; then
    case "$previous" in
${kinds.join("\n")}
      *) kind=text ;;
    esac
  elif [[ "$current" == -* ]]; then
    words="$options"
  elif (( \${#kinds[@]} > 0 )); then
    local position=0
    for ((i = first + 1; i < last; i++)); do
      if [[ "\${typed[i]}" != -* ]]; then ((position++))
      elif [[ "$valued" == *" \${typed[i]} "* ]]; then ((i++)); fi
    done
    ((position < \${#kinds[@]})) || position=$((\${#kinds[@]} - 1))
    kind="\${kinds[position]}"
  fi
  case "$kind" in
    names)
      local store="" option
      for ((i = 1; i < last; i++)); do
        option="\${typed[i]}"
        if [[ "$option" == --store=* ]]; then store="\${option#*=}"
        elif [[ "$option" == --store ]]; then store="\${typed[i + 1]}"; fi
      done
      words="$([[ -z "$store" ]] || export OCI_STORE="$store"; _oci_names "\${typed[0]}")" ;;
    commands) words="$commands" ;;
    directories) COMPREPLY=($(compgen -d -- "$current")); return ;;
    files | text | "") ;;
    *) words="\${kind//,/ }" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  # Bash replaces only what follows the last colon.
  if [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
    local before="\${current%"\${current##*:}"}"
    for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]="\${COMPREPLY[i]#"$before"}"; done
  fi
}
complete -o default -F _oci oci`;
}

function zshScript(commands: readonly CommandOutline[]): string {
  const action = (kind: Kind) => {
    if (typeof kind !== "string") return `(${kind.join(" ")})`;
    const actions = {
      names: "_oci_names",
      commands: "_oci_commands",
      files: "_files",
      directories: "_files -/",
      text: " ",
    };
    return actions[kind];
  };
  // Square brackets and colons delimit the parts of a specification.
  const escape = (text: string) => text.replaceAll(/[[\]:]/g, "\\$&");
  const cases = commands.map(({ name, options, arguments: expected }) => {
    const flags = options.flatMap((option) => {
      const { short, long, description, takesValue, repeatable } = option;
      const value = takesValue ? `:value:${action(optionKind(option))}` : "";
      const text = `[${escape(description)}]${value}`;
      const star = repeatable ? "*" : "";
      return [
        ...short === undefined ? [] : [quote(`${star}${short}${takesValue ? "+" : ""}${text}`)],
        quote(`${star}${long}${takesValue ? "=" : ""}${text}`),
      ];
    });
    const operands = expected.map((argument, i) => {
      const place = argument.isVariadic ? "*" : String(i + 1);
      return quote(`${place}:${argument.name}:${action(argumentKind(argument))}`);
    });
    return `    ${name}) _arguments -s ${[...flags, ...operands].join(" ")} ;;`;
  });
  const known = [{ name: "help", summary: HELP }, ...commands];
  const list = known.map(({ name, summary }) => `    ${quote(`${name}:${escape(summary)}`)}`);
  return `#compdef oci
# Completes oci in zsh.
_oci_list() {
  ${NAMES}
}

_oci_names() {
  local -x OCI_STORE="\${opt_args[--store]:-$OCI_STORE}"
  [[ -n "$OCI_STORE" ]] || unset OCI_STORE
  local -a names=(\${(f)"$(_oci_list "$program")"})
  compadd -a names
  _files
}

_oci_commands() {
  local -a commands=(
${list.join("\n")}
  )
  _describe command commands
}

_oci() {
  local program="$words[1]"
  # Options may precede the command.
  while (( CURRENT > 2 )) && [[ "$words[2]" == -* ]]; do
    if [[ "$words[2]" == --store ]]; then
      local -x OCI_STORE="$words[3]"
      shift words
      (( CURRENT-- ))
    fi
    shift words
    (( CURRENT-- ))
  done
  local command="$words[2]"
  if (( CURRENT == 2 )) || [[ "$command" == help ]]; then
    _oci_commands
    return
  fi
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
  const action = (kind: Kind) => {
    if (typeof kind !== "string") return ` -x -a ${quote(kind.join(" "))}`;
    const actions = {
      names: " -r -a '(__oci_names)'",
      commands: ` -x -a ${quote(commands.map(({ name }) => name).join(" "))}`,
      files: " -r",
      directories: " -x -a '(__fish_complete_directories)'",
      text: " -x",
    };
    return actions[kind];
  };
  const lines = [
    "# Completes oci in fish.",
    "function __oci_list",
    `  ${NAMES.replace('"$1"', "$argv[1]")}`,
    "end",
    "function __oci_names",
    "  set -l typed (commandline -opc)",
    "  set -l at (contains -i -- --store $typed)",
    '  and set -lx OCI_STORE $typed[(math "$at + 1")]',
    "  __oci_list $typed[1]",
    "end",
    `complete -c oci -n __fish_use_subcommand -f -a help -d ${quote(HELP)}`,
    `complete -c oci -n '__fish_seen_subcommand_from help'${action("commands")}`,
  ];
  for (const { name, summary, options, arguments: expected } of commands) {
    const seen = `complete -c oci -n ${quote(`__fish_seen_subcommand_from ${name}`)}`;
    lines.push(
      `complete -c oci -n __fish_use_subcommand -f -a ${name} -d ${quote(summary)}`,
    );
    for (const argument of expected.slice(0, 1)) {
      const kind = argumentKind(argument);
      if (kind !== "files") {
        lines.push(`${seen}${action(kind).replace(" -x", " -f").replace(" -r", "")}`);
      }
    }
    for (const option of options) {
      const { short, long, description, takesValue } = option;
      const value = takesValue ? action(optionKind(option)) : "";
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      lines.push(`${seen}${letter} -l ${long.slice(2)}${value} -d ${quote(description)}`);
    }
  }
  return lines.join("\n");
}
