import { write } from "./_benchmark.ts";
import {
  type Contender,
  type Figures,
  measure,
  type Measurement,
  type MeasureOptions,
} from "./_measure.ts";

/** The columns of {@linkcode formatFigures}. */
export const FIGURES_HEAD: readonly string[] = ["wall", "CPU", "peak memory"];

/** Returns the cells for the cost of a run. */
export function formatFigures({ seconds, cpuSeconds, peakMib }: Figures): readonly string[] {
  return [`${seconds.toFixed(2)} s`, `${cpuSeconds.toFixed(2)} s`, `${peakMib.toFixed(0)} MiB`];
}

/** The columns of {@linkcode formatComparison}. */
export const COMPARISON_HEAD: readonly string[] = [...FIGURES_HEAD, "wall ratio", "CPU ratio"];

/**
 * Returns a row for each contender: its name, its figures, and the ratios of the first contender to
 * them.
 */
export function formatComparison(measurements: readonly Measurement[]): readonly string[][] {
  const [first] = measurements;
  return measurements.map((measured) => {
    const { contender, seconds, cpuSeconds } = measured;
    const ratios = contender.ours || first === undefined
      ? ["", ""]
      : [(first.seconds / seconds).toFixed(2), (first.cpuSeconds / cpuSeconds).toFixed(2)];
    return [contender.name, ...formatFigures(measured), ...ratios];
  });
}

/** Returns a table in Markdown, aligned as by `deno fmt`. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = head.map((cell, i) => {
    return Math.max(3, cell.length, ...rows.map((row) => row[i]?.length ?? 0));
  });
  return [head, widths.map((width) => "-".repeat(width)), ...rows]
    .map((row) => `| ${widths.map((width, i) => (row[i] ?? "").padEnd(width)).join(" | ")} |`)
    .join("\n");
}

/** Measures contenders against the first one, and prints a table of the results. */
export async function printComparison(
  title: string,
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<void> {
  const measurements = await measure(contenders, options);
  await write(formatTable([title, ...COMPARISON_HEAD], formatComparison(measurements)) + "\n");
}
