/**
 * Waits for a result, or rejects with the signal's reason. Does not stop the operation itself. Use
 * it for operations that accept no signal, such as a write to a pipe that nobody reads.
 */
export async function abortable<T>(
  pending: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await pending;
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([pending, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Returns a signal that is aborted with the first of two, each of which may be absent. */
export function eitherSignal<T extends AbortSignal | undefined>(
  signal: AbortSignal | undefined,
  other: T,
): AbortSignal | T {
  if (signal === undefined) return other;
  return other === undefined ? signal : AbortSignal.any([signal, other]);
}
