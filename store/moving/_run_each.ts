/**
 * Does some work for each item, for so many at a time. The first failure stops the rest through
 * `failure`; all have ended before it is thrown.
 */
export async function runEach<T>(
  items: readonly T[],
  limit: number,
  failure: AbortController,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const rest = items.values();
  const run = async () => {
    for (const item of rest) {
      if (failure.signal.aborted) return;
      try {
        await work(item);
      } catch (error) {
        failure.abort(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, run));
  failure.signal.throwIfAborted();
}
