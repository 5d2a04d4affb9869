import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";

/**
 * Warns of entries that could not be reproduced. Ignores those under `/dev`, where every runtime
 * mounts its own devices.
 */
export function warnOfSkipped(
  report: ExtractReport,
  subject: string,
  onWarning: ((message: string) => void) | undefined,
): void {
  const { skipped, skippedCount } = report;
  const missed = skipped.filter(({ path }) => !cleanPath(path).startsWith("dev/"));
  const count = skippedCount - skipped.length + missed.length;
  const [first] = missed;
  if (first === undefined) return;
  onWarning?.(
    `${count} difference${count === 1 ? "" : "s"} from ${subject}, such as ` +
      `"${first.path}": ${first.reason}`,
  );
}
