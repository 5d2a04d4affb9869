/** Between two attempts. */
const PAUSE_MS = 20;

/**
 * Locks the extracted and uncompressed layers of a store: any number of processes use them at a
 * time, from looking for them until what they are used for is written down; who removes some is
 * alone. The lock is a flock, which ends with its owner.
 *
 * @param store The directory of the store.
 * @param purpose What they are locked for.
 * @param signal Ends the waiting.
 */
export async function lockLayers(
  store: string,
  purpose: "use" | "remove",
  signal?: AbortSignal,
): Promise<Disposable> {
  await Deno.mkdir(`${store}/locks`, { recursive: true });
  const file = await Deno.open(`${store}/locks/layers.lock`, {
    ...{ read: true, write: true, create: true },
  });
  try {
    while (!await file.tryLock(purpose === "remove")) {
      signal?.throwIfAborted();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  } catch (error) {
    file.close();
    throw error;
  }
  return { [Symbol.dispose]: () => file.close() };
}
