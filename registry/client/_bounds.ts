import type { RemoteClientOptions } from "../remote_client_options.ts";

const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** Minimum and maximum of each numeric option. */
const BOUNDS = {
  retries: [0, 1_000],
  maxWaitMs: [0, Number.MAX_SAFE_INTEGER],
  stallTimeoutMs: [1, 2 ** 31 - 1],
  maxConnections: [1, 1_000],
  maxManifestBytes: [1, MAX_DOCUMENT_BYTES],
  maxConfigBytes: [1, MAX_DOCUMENT_BYTES],
  maxLayers: [0, 500],
} as const satisfies Partial<Record<keyof RemoteClientOptions, readonly [number, number]>>;

/**
 * Checks the numeric options.
 *
 * @throws {RangeError} If a number is out of bounds.
 */
export function checkBounds(options: RemoteClientOptions): void {
  for (const name of Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]) {
    const value = options[name];
    const [min, max] = BOUNDS[name];
    if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) {
      continue;
    }
    throw new RangeError(
      `Cannot create a client as '${name}' must be an integer from ${min} to ${max}: current ` +
        `value is ${value}`,
    );
  }
}
