import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import {
  openProgress,
  progressStyle,
  type ProgressView,
  type ProgressWords,
} from "../terminal/progress.ts";
import { terminalKind } from "../terminal/terminal.ts";

/** Shows progress on stderr in the style of the options and the terminal. */
export function showProgress(session: Session, words?: ProgressWords): ProgressView {
  const { quiet, progress = "auto", progressInterval = 10 } = session.options<RegistryOptions>();
  const wish = quiet ? "none" : progress;
  const style = progressStyle(wish, Deno.stderr.isTerminal(), terminalKind());
  return openProgress(style, session.notices, progressInterval * 1000, undefined, words);
}
