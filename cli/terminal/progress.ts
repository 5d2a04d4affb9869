import type { ImageProgress } from "../../registry/image_client.ts";
import { startTimer } from "../../registry/tasks/timer.ts";
import {
  activeLines,
  finishedLine,
  type ProgressWords,
  PULL_WORDS,
  totalLine,
} from "./_progress_lines.ts";
import { ProgressTally } from "./_progress_tally.ts";
import type { Notices } from "./notices.ts";
import { type TerminalSize, terminalSize } from "./terminal.ts";

export type { ProgressWords };

/** Minimum interval between redraws of a terminal: ten per second. */
const REDRAW_MS = 100;

export type ProgressStyle = "terminal" | "plain" | "json";

/** Progress display. Disposing of it replaces the status block with the final line. */
export interface ProgressView extends Disposable {
  readonly report: (event: ImageProgress) => void;
}

/**
 * Returns the style for an option value: `auto` redraws in place on a capable terminal, and writes
 * lines elsewhere.
 */
export function progressStyle(
  wish: "auto" | "plain" | "json",
  isTerminal: boolean,
  term: string | undefined,
): ProgressStyle {
  if (wish !== "auto") return wish;
  return isTerminal && term !== "dumb" ? "terminal" : "plain";
}

/**
 * Opens the progress display for a style.
 *
 * @param intervalMs Interval between summaries in the plain style.
 * @param size Returns the size of the terminal; called for each redraw.
 * @param replaced Words that replace those for a pull.
 */
export function openProgress(
  style: ProgressStyle,
  notices: Notices,
  intervalMs: number,
  size: () => TerminalSize = terminalSize,
  replaced: Partial<ProgressWords> = {},
): ProgressView {
  if (style === "json") return { report: jsonReport(notices), [Symbol.dispose]() {} };
  const words = { ...PULL_WORDS, ...replaced };
  const tally = new ProgressTally();
  let changed = false;
  const redraw = () => {
    if (changed) notices.status(statusLines(tally, size(), words));
    changed = false;
  };
  const summarize = () => {
    const totals = tally.totals();
    if (!totals.complete) notices.message(totalLine(totals, Infinity, words));
  };
  const ticker = style === "terminal"
    ? makeTicker(REDRAW_MS, redraw)
    : makeTicker(intervalMs, summarize);
  return {
    report: (event) => {
      const isShown = style === "plain" && (!event.cached || words.present !== undefined);
      if (tally.add(event) && isShown) notices.message(finishedLine(event, words));
      if (event.phase !== "done") ticker.start();
      changed = true;
    },
    [Symbol.dispose]: () => {
      ticker[Symbol.dispose]();
      notices.status([]);
      sumUp(tally, notices, words);
    },
  };
}

/** Calls a function at intervals after the first call of `start()`, until it is disposed of. */
function makeTicker(intervalMs: number, tick: () => void): Disposable & { start(): void } {
  let timer: Disposable | undefined;
  const next = () => {
    timer = startTimer(intervalMs, next);
    tick();
  };
  return {
    start: () => void (timer ??= startTimer(intervalMs, next)),
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}

/** Writes one JSON object per line, with the members of {@linkcode ImageProgress}. */
function jsonReport(notices: Notices): (event: ImageProgress) => void {
  return ({ digest = null, ...event }) => notices.json({ ...event, digest });
}

/**
 * Writes the final line: how far an incomplete transfer came, since an error follows. Writes none if
 * nothing was received, if no blob is to be shown, or if an extraction failed.
 */
function sumUp(tally: ProgressTally, notices: Notices, words: ProgressWords): void {
  if (words.present === undefined && tally.isCached()) return;
  const totals = { ...tally.totals(), resolving: undefined };
  const unchanged = totals.complete && totals.done === 0 ? tally.unchanged() : [];
  for (const reference of unchanged) {
    notices.message(`${reference}: ${words.unchanged}`);
  }
  if (unchanged.length > 0) return;
  if (totals.bytes === 0 || !totals.complete && tally.isExtracting()) return;
  const line = totalLine({ ...totals, leftMs: undefined }, Infinity, words);
  notices.message(totals.complete ? line : `incomplete: ${line}`);
}

/** Returns a line for each active blob that fits on the terminal, and one for the total. */
function statusLines(
  tally: ProgressTally,
  { columns, rows }: TerminalSize,
  words: ProgressWords,
): readonly string[] {
  // A wrapped line would break the redraw. Some terminals wrap lines of exactly their width, and
  // append a typed "^C".
  const width = columns - 3;
  const active = tally.active();
  const room = Math.max(0, rows - 3);
  const lines = [...activeLines(active.slice(0, room), width, words)];
  if (active.length > room) lines.push(`and ${active.length - room} more`);
  return [...lines, totalLine(tally.totals(), width, words)].filter(({ length }) =>
    length <= width
  );
}
