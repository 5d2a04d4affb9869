import type { Argument, Command, Option } from "./command.ts";
import { terminalSize } from "../terminal/terminal.ts";

/** A term and its description. */
type Row = readonly [term: string, meaning: string];

/** Minimum number of columns for wrapping text. */
const MIN_COLUMNS = 40;
const MAX_COLUMNS = 100;

/**
 * Formats the help of a command: usage, description, arguments, options, notes.
 *
 * @param command Command to describe.
 * @param columns Maximum width.
 */
export function formatHelp(command: Command, columns: number = helpColumns()): string {
  const { usage = usageOf(command), description, notes } = command.texts;
  const groups = Map.groupBy(command.options, ({ group }) => group);
  const sections: readonly (readonly [heading: string, rows: readonly Row[]])[] = [
    ["Arguments:", command.arguments.map((argument) => [argument.name, meaningOf(argument)])],
    ...[...groups].map(([heading, options]) => {
      return [heading, options.map((option): Row => [option.flags, meaningOf(option)])] as const;
    }),
  ];
  const terms = sections.flatMap(([, rows]) => rows).map(([term]) => term);
  const width = Math.max(...terms.map(({ length }) => length));
  const parts = [
    `Usage: ${command.name} ${usage}`,
    wrap(description, columns),
    ...sections.filter(([, rows]) => rows.length > 0).map(([heading, rows]) => {
      return [heading, ...rows.map((row) => formatRow(row, width, columns))].join("\n");
    }),
    notes,
  ];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** Returns the width of the terminal, up to a readable maximum. */
function helpColumns(): number {
  return Deno.stdout.isTerminal() ? Math.min(terminalSize().columns, MAX_COLUMNS) : MAX_COLUMNS;
}

function usageOf({ arguments: expected }: Command): string {
  return ["[options]", ...expected.map(({ form }) => form)].join(" ");
}

/** Returns the description with choices and default. */
function meaningOf({ description, choices, ...option }: Argument | Option): string {
  const facts = [
    ...choices === undefined
      ? []
      : [`choices: ${choices.map((choice) => `"${choice}"`).join(", ")}`],
    ..."default" in option ? [`default: "${option.default}"`] : [],
  ];
  return facts.length === 0 ? description : `${description} (${facts.join(", ")})`;
}

function formatRow([term, meaning]: Row, width: number, columns: number): string {
  const indent = " ".repeat(width + 4);
  const wrapped = wrap(meaning, columns - indent.length);
  return `  ${term.padEnd(width)}  ${wrapped.replaceAll("\n", `\n${indent}`)}`;
}

/** Breaks lines at spaces, and keeps the alignment within lines. */
function wrap(text: string, columns: number): string {
  if (columns < MIN_COLUMNS) return text;
  return text.split("\n").flatMap((line) => wrapLine(line, columns)).join("\n");
}

function wrapLine(text: string, columns: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const [word] of text.matchAll(/\s*\S+/g)) {
    if (line === "" || line.length + word.length <= columns) {
      line += word;
    } else {
      lines.push(line);
      line = word.trimStart();
    }
  }
  return [...lines, line];
}
