import { COMPARISON_HEAD, formatComparison, formatTable } from "./_format_table.ts";
import { type Contender, measure, type MeasureOptions } from "./_measure.ts";
import { write } from "./_write.ts";

/** Measures contenders against the first one, and prints a table of the results. */
export async function printComparison(
  title: string,
  contenders: readonly Contender[],
  options: MeasureOptions,
): Promise<void> {
  const measurements = await measure(contenders, options);
  await write(formatTable([title, ...COMPARISON_HEAD], formatComparison(measurements)) + "\n");
}
