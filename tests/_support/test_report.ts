/** A test that did not run. */
export interface SkippedTest {
  readonly name: string;
  /** Why; none if the name does not say so. */
  readonly reasons: readonly string[];
}

const TEST_CASE = /<testcase name="([^"]*)"[^>]*>\s*(<skipped\/>)?/g;
const REASONS = / \(skipped: (.*)\)$/s;

/** Reads the skipped tests from the JUnit report of `deno test`. */
export function skippedTests(junit: string): readonly SkippedTest[] {
  return [...junit.matchAll(TEST_CASE)].filter(([, , skipped]) => skipped !== undefined)
    .map(([, encoded = ""]) => {
      const name = decodeXml(encoded);
      return { name, reasons: REASONS.exec(name)?.[1]?.split("; ") ?? [] };
    });
}

/**
 * Returns a line with the number of skipped tests and the reasons. A test with several reasons
 * counts for each of them.
 */
export function formatSkipped(skipped: readonly SkippedTest[]): string {
  if (skipped.length === 0) return "skipped no test";
  const counts = new Map<string, number>();
  for (const { reasons } of skipped) {
    for (const reason of reasons.length > 0 ? reasons : ["no reason given"]) {
      counts.set(reason, (counts.get(reason) ?? 0) + 1);
    }
  }
  const parts = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
    .map(([reason, count]) => `${reason} (${count})`);
  return `skipped ${skipped.length} ${skipped.length === 1 ? "test" : "tests"}: ${
    parts.join(", ")
  }`;
}

function decodeXml(text: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (all, hex, decimal, name) => {
    if (name !== undefined) return named[name] ?? all;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16));
  });
}
