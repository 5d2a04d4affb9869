/** Minimum size of a blob to download over several connections. */
export const MIN_RANGED_BYTES: number = 8 * 1024 * 1024;
/** Length of the first range, which shows whether a far server supports ranges. */
const PROBE_BYTES = 1024 * 1024;
/** Latency from which several connections pay off from the start. */
export const FAR_LATENCY_MS = 25;

/** Returns the number of bytes to request first from a far server; `undefined` for all. */
export function firstRangeBytes(bytes: number, connections: number): number | undefined {
  return connections < 2 || bytes < MIN_RANGED_BYTES ? undefined : Math.min(PROBE_BYTES, bytes);
}
