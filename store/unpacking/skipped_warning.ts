import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";

/**
 * Tells what of a layer or an image is not in a root file system as it should be. Device nodes
 * under `/dev` are not worth a word: every runtime mounts devices of its own there.
 */
export function warnOfSkipped(
  report: ExtractReport,
  subject: string,
  onWarning: ((message: string) => void) | undefined,
): void {
  const { skipped, skippedCount } = report;
  const missed = skipped.filter(({ path }) => !cleanPath(path).path.startsWith("dev/"));
  const count = skippedCount - skipped.length + missed.length;
  const [first] = missed;
  if (first === undefined) return;
  onWarning?.(
    `${count} of the entries of ${subject} cannot be as the image has them; ` +
      `the first is "${first.path}": ${first.reason}`,
  );
}
