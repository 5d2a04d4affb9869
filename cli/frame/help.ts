import type { Argument, Command, Option } from "./command.ts";
import { terminalSize } from "../terminal/terminal.ts";

/** A term and what it means, beside each other. */
type Row = readonly [term: string, meaning: string];

/** Text in fewer columns than these is not wrapped: it would be a ribbon. */
const MIN_COLUMNS = 40;
const MAX_COLUMNS = 100;

/**
 * Writes the help of a command: usage, what it does, arguments, options, notes.
 *
 * @param command What to describe.
 * @param columns How wide it may be.
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

/** As wide as the terminal, but no wider than reads well. */
function helpColumns(): number {
  return Deno.stdout.isTerminal() ? Math.min(terminalSize().columns, MAX_COLUMNS) : MAX_COLUMNS;
}

function usageOf({ arguments: expected }: Command): string {
  return ["[options]", ...expected.map(({ form }) => form)].join(" ");
}

/** The description, and what can be said of the values. */
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

/** Breaks lines at spaces. What is aligned in a line stays aligned. */
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
