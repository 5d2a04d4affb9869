import { NetworkError, RegistryError } from "../errors.ts";
import type { Clock } from "../remote_client_options.ts";
import type { HttpResponse } from "./http_response.ts";

const TRANSIENT_STATUSES = new Set([408, 425, 429, 499, 500, 502, 503, 504]);
/** Failures that suggest a wrong name, port or scheme if the host has never responded. */
const ADDRESS_FAILURES: ReadonlySet<NetworkError["reason"]> = new Set([
  "name",
  "refused",
  "protocol",
  "proxy",
]);
/** Number of retries for failures that are unlikely to change. */
const DOUBTFUL_RETRIES = 2;

/** Minimum length of the pauses to report, in milliseconds. */
const LONG_PAUSE_MS = 5_000;

/** Maximum length of a requested pause, in milliseconds: one year. */
const MAX_ASKED_MS = 365 * 24 * 60 * 60 * 1000;

/** Returns whether a status is transient. 520 to 524 are Cloudflare's. */
export function isTransientStatus(status: number): boolean {
  return TRANSIENT_STATUSES.has(status) || (status >= 520 && status <= 524);
}

/** Returns whether a server asks to send the same request again after a pause. */
export function asksToWait({ status, headers }: Pick<HttpResponse, "status" | "headers">): boolean {
  return isTransientStatus(status) && requestedPause(headers, Date.now()) !== undefined;
}

/** Returns whether another attempt may succeed. */
export function isTransient(error: unknown): boolean {
  return error instanceof NetworkError || (error instanceof RegistryError && error.retryable);
}

/** Retry policy. */
export interface RetryPolicy {
  /** Maximum number of retries without progress. */
  readonly retries: number;
  /** Maximum number of retries after stalls. */
  readonly stalls: number;
  /** Maximum pause that a registry may request, in milliseconds. */
  readonly maxWaitMs: number;
  /** Upper bound of the first pause, in milliseconds; doubles with each failure. */
  readonly firstDelayMs: number;
  /** Maximum of the upper bound, in milliseconds. */
  readonly maxDelayMs: number;
  readonly clock: Clock;
  /** Returns whether the host of a URL has ever responded. */
  readonly isKnown: (url: string) => boolean;
}

/** Progress in bytes after which the next attempt needs no pause. */
const GOOD_PROGRESS_BYTES = 64 * 1024;

/** Options for {@linkcode Retry}. */
export interface RetryOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with each pause. */
  readonly onRetry?: ((error: unknown, delayMs: number) => void) | undefined;
  /** Called with a message for each long pause that a registry requests, and once for others. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** The attempts at one operation. */
export class Retry {
  readonly #policy: RetryPolicy;
  readonly #options: RetryOptions;
  #failures = 0;
  #attempt = 1;
  /** Length of the pauses since the last progress, in milliseconds. */
  #pausedMs = 0;

  constructor(policy: RetryPolicy, options: RetryOptions = {}) {
    this.#policy = policy;
    this.#options = options;
  }

  /** Number of the current attempt, starting at 1; progress resets it. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Resets the failures after progress. */
  progress(): void {
    this.#failures = 0;
    this.#attempt = 1;
    this.#pausedMs = 0;
  }

  /**
   * Pauses after a failure, or throws it if a retry is pointless.
   *
   * @param gained Number of bytes that the attempt transferred. After much progress, there is no
   * pause.
   */
  async after(error: unknown, gained = 0): Promise<void> {
    const { signal, onRetry } = this.#options;
    signal?.throwIfAborted();
    if (this.#failures >= this.#allowed(error)) throw error;
    const asked = error instanceof RegistryError ? error.retryAfterMs ?? 0 : 0;
    if (asked > this.#policy.maxWaitMs) throw error;
    const delayMs = Math.max(asked, gained >= GOOD_PROGRESS_BYTES ? 0 : this.#jitter());
    this.#failures++;
    this.#attempt++;
    onRetry?.(error, delayMs);
    if (error instanceof RegistryError) this.#explain(error, asked, delayMs);
    if (delayMs > 0) await this.#policy.clock.sleep(delayMs, signal);
  }

  /** Reports why the user waits. */
  #explain({ url, status }: RegistryError, askedMs: number, delayMs: number): void {
    const { onWarning } = this.#options;
    const host = URL.parse(url)?.host ?? "the registry";
    const seconds = Math.ceil(delayMs / 1000);
    const wasShort = this.#pausedMs < LONG_PAUSE_MS;
    this.#pausedMs += delayMs;
    if (askedMs >= LONG_PAUSE_MS) {
      onWarning?.(`Waiting ${seconds} s, as requested by ${host} (${status})`);
    } else if (wasShort && this.#pausedMs >= LONG_PAUSE_MS) {
      const why = status === 429 ? `Rate limited by ${host} (429)` : `${host} answered ${status}`;
      onWarning?.(`${why}, retrying in ${seconds} s`);
    }
  }

  #allowed(error: unknown): number {
    const { retries, stalls, isKnown } = this.#policy;
    if (error instanceof RegistryError) {
      if (!error.retryable) return 0;
      return isTransientStatus(error.status) ? retries : Math.min(retries, DOUBTFUL_RETRIES);
    }
    if (!(error instanceof NetworkError) || !error.retryable) return 0;
    if (error.reason === "stalled") return Math.min(retries, stalls);
    const doubtful = ADDRESS_FAILURES.has(error.reason) && !isKnown(error.url);
    return doubtful ? Math.min(retries, DOUBTFUL_RETRIES) : retries;
  }

  /** Full jitter: clients that failed together must not retry together. */
  #jitter(): number {
    const { firstDelayMs, maxDelayMs, clock } = this.#policy;
    return clock.random() * Math.min(maxDelayMs, firstDelayMs * 2 ** Math.min(this.#failures, 30));
  }
}

/**
 * Parses a `Retry-After` header, which contains seconds or a date, into milliseconds from now
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

/**
 * Returns the pause in milliseconds that a response requests. A date is compared with the time of
 * the server, if the response has it, because the clock of this machine may be wrong.
 */
export function requestedPause(headers: Headers, now: number): number | undefined {
  const serverTime = Date.parse(headers.get("date") ?? "");
  return parseRetryAfter(headers.get("retry-after"), Number.isNaN(serverTime) ? now : serverTime);
}
