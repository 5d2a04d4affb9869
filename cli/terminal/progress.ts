import type { ImageProgress } from "../../registry/image_client.ts";
import type { Notices } from "./notices.ts";
import {
  activeLine,
  clip,
  finishedLine,
  type ProgressWords,
  PULL_WORDS,
  totalLine,
} from "./_progress_lines.ts";
import { ProgressTally } from "./_progress_tally.ts";
import { type TerminalSize, terminalSize } from "./terminal.ts";

export type { ProgressWords };

/** The most often that a terminal is drawn on: ten times a second. */
const REDRAW_MS = 100;

/** How progress is shown. */
export type ProgressStyle = "terminal" | "plain" | "json" | "none";

/** What is shown of a pull while it runs. Disposing it removes what is not to stay. */
export interface ProgressView extends Disposable {
  /** Takes the next event. */
  readonly report: (event: ImageProgress) => void;
}

/**
 * The style for a wish: `auto` draws on a terminal that can be drawn on, and writes lines
 * anywhere else.
 */
export function progressStyle(
  wish: "auto" | "plain" | "json" | "none",
  isTerminal: boolean,
  term: string | undefined,
): ProgressStyle {
  if (wish !== "auto") return wish;
  return isTerminal && term !== "dumb" ? "terminal" : "plain";
}

/**
 * Opens the view for a style.
 *
 * @param style How to show it.
 * @param notices Where to show it.
 * @param intervalMs Pause between two summaries in the plain style.
 * @param size The size of the terminal, asked for at each drawing.
 * @param words What it says of blobs that are complete.
 */
export function openProgress(
  style: ProgressStyle,
  notices: Notices,
  intervalMs: number,
  size: () => TerminalSize = terminalSize,
  words: ProgressWords = PULL_WORDS,
): ProgressView {
  if (style === "json") return { report: jsonReport(notices), [Symbol.dispose]() {} };
  if (style === "terminal") return terminalView(notices, size);
  if (style === "plain") return plainView(notices, intervalMs, words);
  return { report() {}, [Symbol.dispose]() {} };
}

/** The longest that a timer waits; one that is to wait longer does not wait at all. */
const MAX_INTERVAL_MS = 2_147_483_647;

/**
 * Calls a function at an interval, once there is something to wait for: with its first timer, Deno
 * loads Node's, which takes as long as to find an image in the store.
 */
class Ticker implements Disposable {
  readonly #intervalMs: number;
  readonly #tick: () => void;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(intervalMs: number, tick: () => void) {
    this.#intervalMs = Math.min(intervalMs, MAX_INTERVAL_MS);
    this.#tick = tick;
  }

  start(): void {
    this.#timer ??= setInterval(this.#tick, this.#intervalMs);
  }

  [Symbol.dispose](): void {
    if (this.#timer !== undefined) clearInterval(this.#timer);
  }
}

/** Writes one JSON object per line, with the members of {@linkcode ImageProgress}. */
function jsonReport(notices: Notices): (event: ImageProgress) => void {
  return ({ digest = null, ...event }) => notices.line(JSON.stringify({ ...event, digest }));
}

function plainView(
  notices: Notices,
  intervalMs: number,
  words: ProgressWords,
): ProgressView {
  const tally = new ProgressTally();
  const ticker = new Ticker(intervalMs, () => {
    const totals = tally.totals();
    if (!totals.complete) notices.line(totalLine(totals));
  });
  return {
    report: (event) => {
      if (tally.add(event)) notices.line(finishedLine(event, words));
      if (event.phase !== "done") ticker.start();
    },
    [Symbol.dispose]: () => {
      ticker[Symbol.dispose]();
      sumUp(tally, notices);
    },
  };
}

function terminalView(notices: Notices, size: () => TerminalSize): ProgressView {
  const tally = new ProgressTally();
  let changed = false;
  const draw = () => {
    if (!changed) return;
    changed = false;
    const { columns, rows } = size();
    notices.status(statusLines(tally, columns, rows));
  };
  const ticker = new Ticker(REDRAW_MS, draw);
  return {
    report: (event) => {
      tally.add(event);
      changed = true;
      if (event.phase !== "done") ticker.start();
    },
    [Symbol.dispose]: () => {
      ticker[Symbol.dispose]();
      notices.status([]);
      sumUp(tally, notices);
    },
  };
}

/** The line that stays. Where nothing came there is an error, which says more. */
function sumUp(tally: ProgressTally, notices: Notices): void {
  const totals = tally.totals();
  if (totals.bytes > 0) notices.line(totalLine(totals));
}

/** A line per active blob and one for the total, as many as fit the terminal. */
function statusLines(tally: ProgressTally, columns: number, rows: number): readonly string[] {
  // A line that wraps would break the redrawing: on some terminals it does so when it is as wide
  // as they are, and they show "^C" behind it when that is typed.
  const width = columns - 3;
  const active = tally.active();
  const room = Math.max(0, rows - 3);
  const lines = active.slice(0, room).map((event) => activeLine(event, width));
  if (active.length > room) lines.push(`and ${active.length - room} more`);
  lines.push(totalLine(tally.totals()));
  return lines.map((line) => clip(line, width));
}
