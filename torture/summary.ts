import type { Act } from "./act.ts";
import type { Campaign, Failure } from "./campaign.ts";

/** Describes a failure and how to repeat it. */
export function failureText({ round, act, error }: Failure, seed: number): string {
  return [
    `FAILED ${act}: repeat with --seed ${seed} --round ${round} --act ${JSON.stringify(act)}`,
    ...causes(error).map((text) => text.replaceAll(/^/gm, "  ")),
  ].join("\n");
}

/** Returns an error and what caused it, the nearest first. */
function causes(error: unknown): readonly string[] {
  const texts: string[] = [];
  for (let next = error; next !== undefined && texts.length < 10;) {
    texts.push(next instanceof Error ? next.stack ?? String(next) : String(next));
    next = next instanceof Error ? next.cause : undefined;
  }
  return texts;
}

/** Describes what each act did, and what was skipped. */
export function summaryText({ tallies }: Campaign, skipped: readonly Act[]): string {
  const lines = [...tallies].sort(([a], [b]) => a < b ? -1 : 1).map(([name, tally]) => {
    const { played, failed, totalMs, outcomes } = tally;
    const mean = played === 0 ? 0 : Math.round(totalMs / played);
    const counts = [...outcomes].sort(([a], [b]) => a < b ? -1 : 1)
      .map(([outcome, times]) => `${outcome} ${times}`);
    const figures = [`${played} rounds`, ...failed > 0 ? [`${failed} FAILED`] : [], ...counts];
    return `${name.padEnd(28)} ${figures.join(", ")} (${mean} ms each)`;
  });
  const reasons = Map.groupBy(skipped, ({ reason }) => reason);
  for (const [reason, acts] of reasons) {
    lines.push(`skipped (${reason}): ${acts.map(({ name }) => name).join(", ")}`);
  }
  return lines.join("\n");
}
