import type { ContentStore } from "../content/content_store.ts";

/** A push, or the pull of an image through a proxy, takes less than this between two blobs. */
const ROTATION_MS = 60 * 60 * 1000;

/**
 * Keeps what a registry stores from being pruned for an hour at least, and two at most: a blob has
 * no name before its manifest comes.
 *
 * @param store The store that the registry writes to.
 * @returns What ends the protection. It does not keep the process alive.
 */
export async function holdWhileServing(store: ContentStore): Promise<Disposable> {
  let older: Disposable | undefined;
  let newer: Disposable | undefined = await store.hold();
  const rotate = async () => {
    const next = await store.hold();
    older?.[Symbol.dispose]();
    [older, newer] = [newer, next];
  };
  // Without a new hold, the old ones hold on.
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
