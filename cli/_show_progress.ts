import type { RegistryOptions } from "./_options.ts";
import { openProgress, progressStyle, type ProgressView } from "./_progress.ts";
import type { Session } from "./_session.ts";
import { terminalKind } from "./_terminal.ts";

/** Shows progress on standard error, as the options and the terminal want it. */
export function showProgress(session: Session): ProgressView {
  const { quiet, progress = "auto", progressInterval = 10 } = session.options<RegistryOptions>();
  const wish = quiet ? "none" : progress;
  const style = progressStyle(wish, Deno.stderr.isTerminal(), terminalKind());
  return openProgress(style, session.notices, progressInterval * 1000);
}
