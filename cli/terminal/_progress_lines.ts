import type { ImageProgress } from "../../registry/image_client.ts";
import type { Totals } from "./_progress_tally.ts";
import { formatBytes, formatDuration, shortDigest } from "./format.ts";

const VERBS: Readonly<Record<Exclude<ImageProgress["phase"], "fetch">, string>> = {
  resolve: "resolving",
  verify: "verifying",
  extract: "extracting",
  done: "done",
};

/** Words for blobs and for their states. */
export interface ProgressWords {
  /** Noun for the counted items. */
  readonly unit: "layer" | "blob";
  /** Word for the transfer of a blob. */
  readonly transferring: string;
  /** Word for a transferred blob. */
  readonly transferred: string;
  /** Word for a blob that needed no transfer; without one, such blobs are not shown. */
  readonly present: string | undefined;
  /** Word for an image that needed no transfer. */
  readonly unchanged: string;
}

export const PULL_WORDS: ProgressWords = {
  unit: "layer",
  transferring: "fetching",
  transferred: "fetched",
  present: "already in the store",
  unchanged: "already in the store",
};

/** Returns the line for a completed blob. */
export function finishedLine(event: ImageProgress, words: ProgressWords = PULL_WORDS): string {
  const { reference, digest = "", total, cached, resumed, retries } = event;
  const notes: string[] = [];
  if (resumed > 0) notes.push(`${formatBytes(resumed)} resumed`);
  if (retries > 0) notes.push(retries === 1 ? "1 retry" : `${retries} retries`);
  const how = cached ? words.present : words.transferred;
  const note = notes.length > 0 ? ` (${notes.join(", ")})` : "";
  return `${reference}: ${shortDigest(digest)} ${how}, ${formatBytes(total)}${note}`;
}

/** Returns the summary line: progress, rate and remaining time, as far as there is room. */
export function totalLine(
  totals: Totals,
  width: number = Infinity,
  { unit }: ProgressWords = PULL_WORDS,
): string {
  const { bytes, total, done, rate, leftMs, extracting, resolving } = totals;
  if (total === 0) return fitting(["resolving", resolving ?? ""], " ", width).trim();
  const parts = [
    `${formatBytes(bytes)} of ${formatBytes(total)} (${percent(bytes, total)})`,
    `${done} ${unit}${done === 1 ? "" : "s"} done`,
  ];
  // In a narrow terminal, the first parts stay.
  if (extracting) return fitting(parts.toSpliced(1, 0, "extracting"), ", ", width);
  if (rate > 0) parts.push(`${formatBytes(rate)}/s`);
  if (leftMs !== undefined) parts.push(`${formatLeft(leftMs)} left`);
  if (resolving !== undefined) parts.push(`resolving ${resolving}`);
  return fitting(parts, ", ", width);
}

/** Returns a line per active blob, each at most `width` wide, with equal bars if there is room. */
export function activeLines(
  events: readonly ImageProgress[],
  width: number,
  { transferring }: ProgressWords = PULL_WORDS,
): readonly string[] {
  const rows = events.map((event) => {
    const { digest = "", phase, bytes, total, retries } = event;
    const done = percent(bytes, total).padStart(4);
    return {
      name: shortDigest(digest),
      verb: phase === "fetch" ? transferring : VERBS[phase],
      share: total > 0 ? Math.min(1, bytes / total) : 0,
      done,
      numbers: `${done} ${formatBytes(bytes).padStart(7)} of ${formatBytes(total).padEnd(7)}`,
      retried: retries > 0 ? ` retry ${retries}` : "",
    };
  });
  const widest = (cell: (row: typeof rows[number]) => string) => {
    return Math.max(0, ...rows.map((row) => cell(row).length));
  };
  const fixed = NAME_COLUMNS + 4 + widest(({ numbers }) => numbers) +
    widest(({ retried }) => retried);
  const bar = Math.min(MAX_BAR, width - fixed);
  return rows.map(({ name, verb, share, done, numbers, retried }) => {
    if (bar < MIN_BAR) return fitting([name, done.trim(), verb], " ", width);
    const filled = "=".repeat(Math.floor(share * bar)).padEnd(bar);
    return `${`${name} ${verb}`.padEnd(NAME_COLUMNS)} [${filled}] ${numbers}${retried}`.trimEnd();
  });
}

/** Width of a short digest and a phase. */
const NAME_COLUMNS = 31;
const MIN_BAR = 8;
const MAX_BAR = 30;

/** Joins as many parts as fit. */
function fitting(parts: readonly string[], separator: string, width: number): string {
  const fits = parts.findLastIndex((_, i) => {
    return parts.slice(0, i + 1).join(separator).length <= width;
  });
  return parts.slice(0, fits + 1).join(separator);
}

/** Formats an estimate in whole seconds. */
function formatLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 60 ? `${seconds} s` : formatDuration(seconds * 1000);
}

function percent(bytes: number, total: number): string {
  return total > 0 ? `${Math.floor(Math.min(1, bytes / total) * 100)}%` : "0%";
}
