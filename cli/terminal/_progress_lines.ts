import type { ImageProgress } from "../../registry/image_client.ts";
import { formatBytes, formatDuration, printable, shortDigest } from "./format.ts";
import type { Totals } from "./_progress_tally.ts";

const VERBS: Readonly<Record<ImageProgress["phase"], string>> = {
  resolve: "resolving",
  fetch: "fetching",
  verify: "verifying",
  extract: "extracting",
  done: "done",
};

/** Words for completed blobs. */
export interface ProgressWords {
  /** Word for a transferred blob. */
  readonly transferred: string;
  /** Word for a blob that needed no transfer. */
  readonly present: string;
}

/** Words for a pull. */
export const PULL_WORDS: ProgressWords = {
  transferred: "fetched",
  present: "already in the store",
};

/** Returns the line for a completed blob. */
export function finishedLine(event: ImageProgress, words: ProgressWords = PULL_WORDS): string {
  const { reference, digest = "", total, cached, resumed, retries } = event;
  const notes: string[] = [];
  if (resumed > 0) notes.push(`${formatBytes(resumed)} resumed`);
  if (retries > 0) notes.push(retries === 1 ? "1 retry" : `${retries} retries`);
  const how = cached ? words.present : words.transferred;
  const note = notes.length > 0 ? ` (${notes.join(", ")})` : "";
  return printable(`${reference}: ${shortDigest(digest)} ${how}, ${formatBytes(total)}${note}`);
}

/** Returns the summary line: progress, rate and remaining time. */
export function totalLine(totals: Totals): string {
  const { bytes, total, done, rate, leftMs } = totals;
  if (total === 0) return "resolving";
  const parts = [
    `${formatBytes(bytes)} of ${formatBytes(total)} (${percent(bytes, total)})`,
    done === 1 ? "1 layer done" : `${done} layers done`,
  ];
  if (rate > 0) parts.push(`${formatBytes(rate)}/s`);
  if (leftMs !== undefined) parts.push(`${formatLeft(leftMs)} left`);
  return parts.join(", ");
}

/** Returns the line for an active blob, at most `width` wide, with a bar if there is room. */
export function activeLine(event: ImageProgress, width: number): string {
  const { digest = "", phase, bytes, total, retries } = event;
  const name = `${shortDigest(digest)} ${VERBS[phase]}`.padEnd(31);
  const retried = retries > 0 ? ` retry ${retries}` : "";
  const numbers = `${percent(bytes, total).padStart(5)} ${formatBytes(bytes).padStart(7)} of ` +
    `${formatBytes(total)}${retried}`;
  const room = Math.min(30, width - name.length - numbers.length - 4);
  if (room < 8) return clip(`${shortDigest(digest)} ${percent(bytes, total)}`, width);
  const filled = total > 0 ? Math.min(room, Math.floor(bytes / total * room)) : 0;
  return `${name} [${"=".repeat(filled)}${" ".repeat(room - filled)}] ${numbers}`;
}

/** Truncates a line so that it does not wrap. */
export function clip(line: string, width: number): string {
  return line.length <= width ? line : line.slice(0, Math.max(0, width));
}

/** Formats an estimate in whole seconds. */
function formatLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

function percent(bytes: number, total: number): string {
  return total > 0 ? `${Math.floor(Math.min(1, bytes / total) * 100)} %` : "0 %";
}
