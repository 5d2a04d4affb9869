import { printable } from "./format.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

const USUAL: TerminalSize = { columns: 80, rows: 24 };

/**
 * Returns the size of the terminal, or the default: serial and scripted terminals may have none.
 */
export function terminalSize(): TerminalSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : USUAL;
  } catch {
    // Not a terminal.
    return USUAL;
  }
}

/** Minimum width for wrapping text; a narrower terminal shows almost nothing anyway. */
const MIN_COLUMNS = 20;

/** A word with the spaces before it. A number and its unit count as one word. */
const WORD_REGEXP = /\s*(?:\(?[0-9][0-9.]* )?\S+/g;

/**
 * Breaks a line at spaces, and keeps the alignment within it. A longer word gets its own line.
 *
 * @param indent Text at the start of each further line.
 */
export function wrapLine(text: string, columns: number, indent = ""): readonly string[] {
  if (text.length <= columns || columns < MIN_COLUMNS) return [text];
  const lines: string[] = [];
  let line = "";
  // The expression would try each of many spaces at the end as the first one.
  for (const [word] of text.trimEnd().matchAll(WORD_REGEXP)) {
    if (line.trim() === "" || line.length + word.length <= columns) {
      line += word;
    } else {
      lines.push(line);
      line = indent + word.trimStart();
    }
  }
  return [...lines, line];
}

/** A cell with the spaces before it, which are two or more except before the first one. */
const CELL_REGEXP = /(?:^ *|  +)[^ ]+(?: [^ ]+)*/g;

/**
 * Fits a line into a width: first between cells, then between words. Further lines are indented.
 * The first line of a table row keeps its columns; a name and its value move closer if they fit.
 */
export function fitLine(text: string, columns: number): readonly string[] {
  if (text.length <= columns || columns < MIN_COLUMNS) return [text];
  const indent = /^ */.exec(text)?.[0] ?? "";
  const [first = "", ...cells] = text.trimEnd().match(CELL_REGEXP) ?? [];
  const lines = [first];
  for (const cell of cells) {
    const isColumn = lines.length === 1 && cells.length > 1;
    const longer = `${lines.at(-1)}${isColumn ? cell : `  ${cell.trim()}`}`;
    if (longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(`${indent}  ${cell.trim()}`);
  }
  return lines.flatMap((line) => wrapLine(line, columns, `${indent}  `));
}

/** Fits lines into the terminal, if stdout is one, with escapes for control characters. */
export function fitToTerminal(lines: readonly string[]): readonly string[] {
  if (!Deno.stdout.isTerminal()) return lines;
  const { columns } = terminalSize();
  return lines.flatMap((line) => fitLine(printable(line), columns));
}
