/** Minimum width for wrapping text; on less, a terminal shows next to nothing anyway. */
const MIN_COLUMNS = 20;

/**
 * Breaks a line at spaces, and keeps the alignment within it. A longer word gets a line of its own.
 *
 * @param text The line.
 * @param columns Maximum width.
 * @param indent What further lines begin with.
 * @returns The lines.
 */
export function wrapLine(text: string, columns: number, indent = ""): readonly string[] {
  if (text.length <= columns || columns < MIN_COLUMNS) return [text];
  const lines: string[] = [];
  let line = "";
  for (const [word] of text.matchAll(/\s*\S+/g)) {
    if (line.trim() === "" || line.length + word.length <= columns) {
      line += word;
    } else {
      lines.push(line);
      line = indent + word.trimStart();
    }
  }
  return [...lines, line];
}

/**
 * Arranges the cells of a row in as many lines as they need. No cell is broken.
 *
 * @param cells The cells; empty ones are left out.
 * @param columns Maximum width.
 * @returns The lines, the further ones indented.
 */
export function wrapCells(cells: readonly string[], columns: number): readonly string[] {
  const lines: string[] = [];
  for (const cell of cells.map((cell) => cell.trim()).filter((cell) => cell !== "")) {
    const line = lines.at(-1);
    const longer = `${line}  ${cell}`;
    if (line === undefined) lines.push(cell);
    else if (longer.length <= columns) lines[lines.length - 1] = longer;
    else lines.push(`  ${cell}`);
  }
  return lines;
}
