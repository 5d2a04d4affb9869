import type { ContentStore } from "../content/content_store.ts";

/**
 * Interval between two holds, longer than the time between two blobs of a push or a proxied pull.
 */
const ROTATION_MS = 60 * 60 * 1000;

/**
 * Protects content stored by a registry against pruning for one to two hours, since a blob has no
 * name before its manifest is pushed.
 *
 * @returns Object whose disposal ends the protection. It does not keep the process alive.
 */
export async function holdWhileServing(store: ContentStore): Promise<Disposable> {
  let older: Disposable | undefined;
  let newer: Disposable | undefined = await store.hold();
  const rotate = async () => {
    const next = await store.hold();
    older?.[Symbol.dispose]();
    [older, newer] = [newer, next];
  };
  // If a new hold fails, the old ones stay.
  const timer = setInterval(() => void rotate().catch(() => {}), ROTATION_MS);
  Deno.unrefTimer(timer);
  return {
    [Symbol.dispose]: () => {
      clearInterval(timer);
      older?.[Symbol.dispose]();
      newer?.[Symbol.dispose]();
    },
  };
}
