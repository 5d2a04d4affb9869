import type { ImageProgress } from "../../registry/image_client.ts";
import type { RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import type { ProgressView, ProgressWords } from "../terminal/progress.ts";
import { terminalKind } from "../terminal/terminal.ts";

/** Progress of a command on stderr. Disposing of it shows the remaining lines. */
export interface ShownProgress extends AsyncDisposable {
  /** Adds an event. */
  readonly report: (event: ImageProgress) => void;
}

/**
 * Shows progress in the style of the options and the terminal. Loads the display with the first
 * event: that takes as long as finding an image in the store, where there is no progress.
 */
export function showProgress(session: Session, words?: ProgressWords): ShownProgress {
  const { quiet, progress = "auto", progressInterval = 10 } = session.options<RegistryOptions>();
  if (quiet) return { report() {}, async [Symbol.asyncDispose]() {} };
  const early: ImageProgress[] = [];
  let view: ProgressView | undefined;
  let loading: Promise<void> | undefined;
  const load = async () => {
    const { openProgress, progressStyle } = await import("../terminal/progress.ts");
    const style = progressStyle(progress, Deno.stderr.isTerminal(), terminalKind());
    view = openProgress(style, session.notices, progressInterval * 1000, undefined, words);
    early.forEach(view.report);
  };
  return {
    report: (event) => {
      if (view !== undefined) return view.report(event);
      early.push(event);
      loading ??= load();
    },
    [Symbol.asyncDispose]: async () => {
      await loading;
      view?.[Symbol.dispose]();
    },
  };
}
