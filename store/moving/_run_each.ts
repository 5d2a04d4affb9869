/**
 * Does work for each item, for at most `limit` items at a time. The first failure aborts `failure`,
 * which stops the rest, and is thrown when all work has ended.
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
