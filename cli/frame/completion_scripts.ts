import { quoteForShell as quote } from "../terminal/format.ts";
import type { Argument, Option } from "./command.ts";

/** The parts of a command that completion needs. */
export interface CommandOutline {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly Option[];
  readonly arguments: readonly Argument[];
}

/**
 * Generates a script.
 *
 * @param program Options of the program, which may precede the command.
 */
type ScriptGenerator = (commands: readonly CommandOutline[], program: readonly Option[]) => string;

export const SCRIPTS: ReadonlyMap<string, ScriptGenerator> = new Map([
  ["bash", bashScript],
  ["zsh", zshScript],
  ["fish", fishScript],
]);

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

function flagsOf({ short, long, aliases = [] }: Option): readonly string[] {
  return [...short === undefined ? [] : [short], long, ...aliases];
}

/** Lists the flags that take a value if they precede the command. */
function valuedBefore(commands: readonly CommandOutline[], program: readonly Option[]): string {
  const valued = new Map<string, boolean>();
  for (const option of [...program, ...commands.flatMap(({ options }) => options)]) {
    for (const flag of flagsOf(option)) {
      if (!valued.has(flag)) valued.set(flag, option.takesValue);
    }
  }
  return [...valued].flatMap(([flag, takesValue]) => takesValue ? [flag] : []).join(" ");
}

const HELP = "show the help of a command";

/**
 * Shell code that lists the names in the store, in full and as docker shortens them; `$1` is `oci`.
 */
const NAMES = `"$1" images 2>/dev/null | awk '
    NR > 1 && $1 != "-" { print $1; if (sub(/^docker\\.io\\/(library\\/)?/, "", $1)) print $1 }'`;

function bashScript(commands: readonly CommandOutline[], program: readonly Option[]): string {
  const longFlags = (options: readonly Option[]) => options.map(({ long }) => long).join(" ");
  const cases = commands.map(({ name, options, arguments: expected }) => {
    const flags = options.filter(({ takesValue }) => takesValue).flatMap(flagsOf);
    const kinds = expected.map((argument) => String(argumentKind(argument)));
    return `    ${name})
      options="${longFlags(options)}"
      valued=" ${flags.join(" ")} "
      kinds=(${kinds.join(" ")}) ;;`;
  });
  const uses = commands.flatMap(({ name, options }) => {
    return options.filter(({ takesValue }) => takesValue)
      .map((option) => ({ name, long: option.long, kind: String(optionKind(option)) }));
  });
  const kinds = [...Map.groupBy(uses, ({ kind }) => kind)].flatMap(([kind, ofKind]) => {
    if (kind === "text") return [];
    const patterns = ofKind.map(({ name, long }) => {
      // An option with the same name may take other values in another command.
      const isSame = uses.every((use) => use.long !== long || use.kind === kind);
      return isSame ? `*" ${long}"` : `"${name} ${long}"`;
    });
    return `      ${[...new Set(patterns)].join(" | ")}) kind=${kind} ;;`;
  });
  return `# Completes oci in bash.
_oci_names() {
  ${NAMES}
}

_oci() {
  local line="\${COMP_LINE:0:COMP_POINT}" options="" valued=" " kind="" words="" is_value="" i
  local before=" ${valuedBefore(commands, program)} "
  local commands="${commands.map(({ name }) => name).join(" ")}"
  local -a typed=() kinds=()
  read -ra typed <<< "$line"
  [[ "$line" == *[[:space:]] ]] && typed+=("")
  local last=$((\${#typed[@]} - 1)) first=1
  # Options may precede the command.
  while (( first < last )) && [[ "\${typed[first]}" == -* ]]; do
    [[ "$before" == *" \${typed[first]} "* ]] && ((first++))
    ((first++))
  done
  local current="\${typed[last]}" previous="\${typed[last - 1]}" command="\${typed[first]}"
  case "$command" in
${cases.join("\n")}
  esac
  if [[ "$current" == --*=* ]]; then
    previous="\${current%%=*}"
    current="\${current#*=}"
    is_value=1
  elif (( last < first )); then
    is_value=1
  elif (( last > first )) && [[ "$valued" == *" $previous "* ]]; then
    is_value=1
  fi
  if [[ -n "$is_value" ]]; then
    case "$command $previous" in
${kinds.join("\n")}
      *) kind=text ;;
    esac
  elif (( last == first )) && [[ "$current" == -* ]]; then
    words="${longFlags(program)}"
  elif (( last == first )); then
    words="help $commands"
  elif [[ "$command" == help ]]; then
    words="$commands"
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
    local typed_part="\${current%"\${current##*:}"}"
    for i in "\${!COMPREPLY[@]}"; do COMPREPLY[i]="\${COMPREPLY[i]#"$typed_part"}"; done
  fi
}
complete -o default -F _oci oci`;
}

function zshScript(commands: readonly CommandOutline[], program: readonly Option[]): string {
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
  const specifications = (options: readonly Option[]) => {
    return options.flatMap((option) => {
      const { short, long, description, takesValue, repeatable } = option;
      const value = takesValue ? `:value:${action(optionKind(option))}` : "";
      const text = `[${escape(description)}]${value}`;
      const star = repeatable ? "*" : "";
      return [
        ...short === undefined ? [] : [quote(`${star}${short}${takesValue ? "+" : ""}${text}`)],
        quote(`${star}${long}${takesValue ? "=" : ""}${text}`),
      ];
    });
  };
  const cases = commands.map(({ name, options, arguments: expected }) => {
    const operands = expected.map((argument, i) => {
      const place = argument.isVariadic ? "*" : String(i + 1);
      return quote(`${place}:${argument.name}:${action(argumentKind(argument))}`);
    });
    return `    ${name}) _arguments -s ${[...specifications(options), ...operands].join(" ")} ;;`;
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
  local program="$words[1]" count
  local -a valued=(${valuedBefore(commands, program)})
  # Options may precede the command.
  while (( CURRENT > 2 )) && [[ "$words[2]" == -* ]]; do
    count=$(( \${valued[(Ie)$words[2]]} ? 2 : 1 ))
    (( CURRENT - count < 2 )) && break
    case "$words[2]" in
      --store) local -x OCI_STORE="$words[3]" ;;
      --store=*) local -x OCI_STORE="\${words[2]#*=}" ;;
    esac
    shift $count words
    (( CURRENT -= count ))
  done
  local command="$words[2]"
  if [[ "$command" == -* ]]; then
    _arguments -s ${specifications(program).join(" ")}
    return
  fi
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

function fishScript(commands: readonly CommandOutline[], program: readonly Option[]): string {
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
  const optionLines = (condition: string, options: readonly Option[]) => {
    return options.map((option) => {
      const { short, long, description, takesValue } = option;
      const value = takesValue ? action(optionKind(option)) : "";
      const letter = short === undefined ? "" : ` -s ${short.slice(1)}`;
      return `${condition}${letter} -l ${long.slice(2)}${value} -d ${quote(description)}`;
    });
  };
  const first = "complete -c oci -n '__oci_runs \"\"'";
  const lines = [
    "# Completes oci in fish.",
    "function __oci_list",
    `  ${NAMES.replace('"$1"', "$argv[1]")}`,
    "end",
    "function __oci_names",
    "  set -l typed (commandline -opc)",
    "  set -l at (contains -i -- --store $typed)",
    '  and set -lx OCI_STORE $typed[(math "$at + 1")]',
    "  set -l joined (string replace -rf '^--store=' '' -- $typed)",
    "  and set -lx OCI_STORE $joined[-1]",
    "  __oci_list $typed[1]",
    "end",
    "# Whether the command is the given one; options may precede it.",
    "function __oci_runs",
    "  set -l typed (commandline -opc)",
    "  set -e typed[1]",
    "  while string match -q -- '-*' $typed[1]",
    `    contains -- $typed[1] ${valuedBefore(commands, program)}`,
    "    and set -e typed[1]",
    "    set -e typed[1]",
    "  end",
    '  test "$typed[1]" = "$argv[1]"',
    "end",
    `${first} -f -a help -d ${quote(HELP)}`,
    ...optionLines(first, program),
    `complete -c oci -n '__oci_runs help'${action("commands")}`,
  ];
  for (const { name, summary, options, arguments: expected } of commands) {
    const seen = `complete -c oci -n '__oci_runs ${name}'`;
    lines.push(`${first} -f -a ${name} -d ${quote(summary)}`);
    for (const argument of expected.slice(0, 1)) {
      const kind = argumentKind(argument);
      if (kind !== "files") {
        lines.push(`${seen}${action(kind).replace(" -x", " -f").replace(" -r", "")}`);
      }
    }
    lines.push(...optionLines(seen, options));
  }
  return lines.join("\n");
}
