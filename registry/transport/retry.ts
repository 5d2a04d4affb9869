import type { Clock } from "../remote_client_options.ts";
import { NetworkError, RegistryError } from "../errors.ts";

const TRANSIENT_STATUSES = new Set([408, 425, 429, 499, 500, 502, 503, 504]);
/** What a wrong name, port or scheme comes to, if nothing has come from there yet. */
const ELSEWHERE: ReadonlySet<NetworkError["reason"]> = new Set([
  "name",
  "refused",
  "protocol",
  "proxy",
]);
/** So often something is tried again that is not likely to change. */
const DOUBTFUL_RETRIES = 2;

/** From here on a pause is worth a word. */
const LONG_PAUSE_MS = 5_000;

/** Longest pause that a registry can ask for: a year. Larger values mean never. */
const MAX_ASKED_MS = 365 * 24 * 60 * 60 * 1000;

/** Whether a status says that the same request may succeed later. 520 to 524 are Cloudflare's. */
export function isTransientStatus(status: number): boolean {
  return TRANSIENT_STATUSES.has(status) || (status >= 520 && status <= 524);
}

/** How failures are met. */
export interface RetryPolicy {
  /** How many failures in a row are followed by another attempt. */
  readonly retries: number;
  /** How many of them may be that nothing came for too long. */
  readonly stalls: number;
  /** The longest pause that a registry may ask for. */
  readonly maxWaitMs: number;
  /** The upper end of the first pause; it doubles from failure to failure. */
  readonly firstDelayMs: number;
  /** Where the doubling ends. */
  readonly maxDelayMs: number;
  readonly clock: Clock;
  /** Whether the host of a URL has ever answered. */
  readonly isKnown: (url: string) => boolean;
}

/** Options of {@linkcode Retry}. */
export interface RetryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is told of each pause. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
  /** Is told of a pause that a registry asks for and a user would wonder about. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The attempts at one thing. */
export class Retry {
  readonly #policy: RetryPolicy;
  readonly #options: RetryOptions;
  #failures = 0;
  #attempt = 1;

  constructor(policy: RetryPolicy, options: RetryOptions = {}) {
    this.#policy = policy;
    this.#options = options;
  }

  /** The number of the attempt that is being made, from 1; progress starts it again. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Forgets the failures, as what was tried went forward. */
  progress(): void {
    this.#failures = 0;
    this.#attempt = 1;
  }

  /**
   * Pauses after a failure, or throws it if there is no point in another attempt.
   *
   * @param immediately Whether the pause may be left out, as a great deal went forward.
   */
  async after(error: unknown, immediately = false): Promise<void> {
    const { signal, onRetry, onWarning } = this.#options;
    signal?.throwIfAborted();
    if (this.#failures >= this.#allowed(error)) throw error;
    const asked = error instanceof RegistryError ? error.retryAfterMs ?? 0 : 0;
    if (asked > this.#policy.maxWaitMs) throw error;
    const delayMs = Math.max(asked, immediately ? 0 : this.#jitter());
    this.#failures++;
    this.#attempt++;
    onRetry?.(error, delayMs);
    if (asked >= LONG_PAUSE_MS && error instanceof RegistryError) {
      const host = URL.parse(error.url)?.host ?? "the registry";
      onWarning?.(`Waiting ${Math.ceil(asked / 1000)} s as ${host} asks for it (${error.status})`);
    }
    if (delayMs > 0) await this.#policy.clock.sleep(delayMs, signal);
  }

  #allowed(error: unknown): number {
    const { retries, stalls, isKnown } = this.#policy;
    if (error instanceof RegistryError) {
      if (!error.retryable) return 0;
      return isTransientStatus(error.status) ? retries : Math.min(retries, DOUBTFUL_RETRIES);
    }
    if (!(error instanceof NetworkError) || !error.retryable) return 0;
    if (error.reason === "stalled") return Math.min(retries, stalls);
    const doubtful = ELSEWHERE.has(error.reason) && !isKnown(error.url);
    return doubtful ? Math.min(retries, DOUBTFUL_RETRIES) : retries;
  }

  /** Full jitter: clients that failed together must not come back together. */
  #jitter(): number {
    const { firstDelayMs, maxDelayMs, clock } = this.#policy;
    return clock.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(this.#failures, 30));
  }
}

/**
 * How long a `Retry-After` header asks to wait, in milliseconds; it holds seconds or a date
 * (RFC 9110 section 10.2.3).
 */
export function parseRetryAfter(header: string | null, now: number): number | undefined {
  const text = header?.trim() ?? "";
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text)) {
    return Math.min(MAX_ASKED_MS, Math.ceil(Number(text) * 1000));
  }
  const date = text === "" ? NaN : Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.min(MAX_ASKED_MS, Math.max(0, date - now));
}
