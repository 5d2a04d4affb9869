import { terminalSize, wrapLine } from "../terminal/terminal.ts";
import type { Argument, Command, Option } from "./command.ts";

type Row = readonly [term: string, meaning: string];

/**
 * Minimum width of the column of meanings. In a narrower terminal, a meaning starts on the next
 * line.
 */
const MIN_MEANING = 32;
const MAX_COLUMNS = 100;

/** Formats the help of a command: usage, description, arguments, options, notes. */
export function formatHelp(command: Command, columns: number = helpColumns()): string {
  const { usage = usageOf(command), description, notes, lists } = command.texts;
  const groups = Map.groupBy(command.options, ({ group }) => group);
  const sections: readonly (readonly [heading: string, rows: readonly Row[]])[] = [
    ...lists,
    ["Arguments:", command.arguments.map((argument) => [argument.name, meaningOf(argument)])],
    ...[...groups].map(([heading, options]) => {
      return [heading, options.map((option): Row => [option.flags, meaningOf(option)])] as const;
    }),
  ];
  const terms = sections.flatMap(([, rows]) => rows).map(([term]) => term);
  const width = Math.max(...terms.map(({ length }) => length));
  const parts = [
    wrapLine(`Usage: ${command.name} ${usage}`, columns, "  ").join("\n"),
    wrapText(description, columns),
    ...sections.filter(([, rows]) => rows.length > 0).map(([heading, rows]) => {
      return [heading, ...rows.map((row) => formatRow(row, width, columns))].join("\n");
    }),
    wrapText(notes, columns),
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

/** Returns the description, followed by the choices and the default, which it may state itself. */
function meaningOf({ description, choices, ...option }: Argument | Option): string {
  const [, text = description, stated] = /^(.+) \((default: [^()]+)\)$/.exec(description) ?? [];
  const facts = [
    choices && `choices: ${choices.join(", ")}`,
    stated ?? ("default" in option ? `default: ${option.default}` : undefined),
  ].filter((fact) => fact !== undefined);
  return facts.length === 0 ? text : `${text} (${facts.join("; ")})`;
}

function formatRow([term, meaning]: Row, width: number, columns: number): string {
  const indent = width + 4;
  if (columns - indent < MIN_MEANING) {
    const lines = wrapLine(meaning, columns - 6);
    return [`  ${term}`, ...lines.map((line) => `      ${line}`)].join("\n");
  }
  const lines = wrapLine(meaning, columns - indent);
  return `  ${term.padEnd(width)}  ${lines.join(`\n${" ".repeat(indent)}`)}`;
}

/** Wraps paragraphs, and indented lines one by one. */
function wrapText(text: string, columns: number): string {
  const paragraphs = text.split(/\n(?=\n| )|(?<=\n|^ .*)\n/m);
  return paragraphs.flatMap((paragraph) => {
    const lines = paragraph.split("\n");
    if (lines.every(({ length }) => length <= columns)) return lines;
    return paragraph.startsWith(" ")
      ? wrapExample(paragraph, columns)
      : wrapLine(lines.join(" "), columns);
  }).join("\n");
}

/** Wraps an example: a command line, and the explanation after it. */
function wrapExample(text: string, columns: number): readonly string[] {
  const [, command = text, meaning] = /^( *\S.*?) {2,}(\S.*)$/.exec(text) ?? [];
  const lines = wrapLine(command, columns - 2, "      ");
  const isLast = (i: number) => i === lines.length - 1;
  return [
    ...lines.map((line, i) => isLast(i) ? line : `${line} \\`),
    ...meaning === undefined ? [] : wrapLine(`      ${meaning}`, columns, "      "),
  ];
}
