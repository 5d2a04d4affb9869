import type { ContentStore } from "../content/content_store.ts";

/**
 * Interval between two holds, longer than the time between two blobs of a push or a proxied pull.
 */
const ROTATION_MS = 60 * 60 * 1000;

/**
 * Protects content stored by a registry against pruning for one to two hours, because a blob has no
 * name before its manifest is pushed.
 *
 * @returns Object whose disposal ends the protection. It does not keep the process alive.
 */
export async function holdWhileServing(store: Pick<ContentStore, "hold">): Promise<Disposable> {
  const holds = [await store.hold()];
  let isOver = false;
  const keepLast = (count: number) => {
    while (holds.length > count) holds.shift()?.[Symbol.dispose]();
  };
  const rotate = async () => {
    holds.push(await store.hold());
    keepLast(isOver ? 0 : 2);
  };
  // If a new hold fails, the old ones stay.
  const timer = setInterval(() => void rotate().catch(() => {}), ROTATION_MS);
  Deno.unrefTimer(timer);
  return {
    [Symbol.dispose]: () => {
      isOver = true;
      clearInterval(timer);
      keepLast(0);
    },
  };
}
