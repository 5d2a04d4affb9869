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
  using _abort = onAbort(signal, () => reject(signal.reason));
  return await Promise.race([pending, promise]);
}

/**
 * Calls a function when a signal is aborted, or at once if it already is, unless the result is
 * disposed of first.
 */
export function onAbort(signal: AbortSignal | undefined, call: () => void): Disposable {
  if (signal?.aborted) call();
  else signal?.addEventListener("abort", call, { once: true });
  return { [Symbol.dispose]: () => signal?.removeEventListener("abort", call) };
}

/** Returns a signal that is aborted with the first of two, each of which may be absent. */
export function eitherSignal<T extends AbortSignal | undefined>(
  signal: AbortSignal | undefined,
  other: T,
): AbortSignal | T {
  if (signal === undefined) return other;
  return other === undefined ? signal : AbortSignal.any([signal, other]);
}
