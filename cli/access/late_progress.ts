import type { ImageProgress } from "../../registry/image_client.ts";
import type { Session } from "../frame/session.ts";
import type { ProgressView, ProgressWords } from "../terminal/progress.ts";

/**
 * Progress display that is loaded with the first event. Disposing of it shows the remaining lines.
 */
export interface LateProgress extends AsyncDisposable {
  /** Adds an event. */
  readonly report: (event: ImageProgress) => void;
}

/**
 * Shows progress like `showProgress()`, but loads the display with the first event: it takes as
 * long as finding an image in the store, and with `--quiet` it shows nothing.
 */
export function showLateProgress(session: Session, words?: ProgressWords): LateProgress {
  if (session.options().quiet) return { report() {}, async [Symbol.asyncDispose]() {} };
  const early: ImageProgress[] = [];
  let view: ProgressView | undefined;
  let loading: Promise<void> | undefined;
  const load = async () => {
    const { showProgress } = await import("./show_progress.ts");
    view = showProgress(session, words);
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
