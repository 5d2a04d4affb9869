import { LinePace } from "./_line_pace.ts";
import type { RateClock } from "./_rate_clock.ts";

/** A download that fetches ranges over the connections of a {@linkcode RangePool}. */
export interface RangeJob {
  /** Number of missing bytes that no connection is fetching. */
  readonly unassigned: number;
  /** Whether one more connection may fetch a range. */
  readonly mayFetchMore: boolean;
  /**
   * Returns the rest of ranges that other connections would fetch much sooner.
   *
   * @param isLast Whether connections are free, because all bytes have been requested.
   */
  returnLateRanges(isLast: boolean): void;
  /** Fetches one range. Never rejects: the job reports a failure itself. */
  fetchNext(connection: PooledConnection): Promise<void>;
}

/** One of the connections of a {@linkcode RangePool}. Disposing of it lets the next range start. */
export type PooledConnection = Pick<DisposableStack, "disposed" | typeof Symbol.dispose>;

/** Total bytes per millisecond above which a near server needs no further connections. */
const FAST_HOST_RATE = 64_000;
/** Number of ranges that may start early, as a share of the maximum number of connections. */
const EARLY_SHARE = 1 / 3;
/** Interval at which to look for ranges that have become slow. */
const LOOK_AGAIN_MS = 200;

/**
 * Shares the connections to one host among the downloads of all layers, so that no connection is
 * idle while bytes are missing. The download with the most bytes left is served first.
 */
export class RangePool implements Disposable {
  static readonly #pools = new Map<string, RangePool>();

  /**
   * Whether the host supports ranges and downloads are faster with them; `undefined` until a
   * download has tried.
   */
  isUseful: boolean | undefined;
  /** Whether the host limits requests or fails, so that none is repeated. */
  isThrottled = false;
  readonly pace: LinePace = new LinePace();
  readonly #host: string;
  /** All downloads from the host. */
  readonly #announced = new Set<RangeJob>();
  /** Downloads that free connections may serve. */
  readonly #jobs = new Set<RangeJob>();
  /** Rates of connections that read from the start of a blob. */
  readonly #clocks = new Set<RateClock>();
  #capacity = 0;
  #active = 0;
  /** Number of ranges that are being fetched, including those that end soon. */
  #fetching = 0;
  /** Number of reserved connections, which downloads will open themselves. */
  #expected = 0;
  #users = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(host: string) {
    this.#host = host;
  }

  /**
   * Joins the pool of a host. Every user disposes of the pool once.
   *
   * @param host Name of the host, or any other key that its downloads share.
   * @param connections Maximum number of connections; the largest of all users counts.
   */
  static join(host: string, connections: number): RangePool {
    const pool = RangePool.#pools.getOrInsertComputed(host, () => new RangePool(host));
    pool.#users++;
    pool.#capacity = Math.max(pool.#capacity, connections);
    return pool;
  }

  /** Number of missing bytes that no connection is fetching, in all downloads. */
  get unassigned(): number {
    return this.#announced.values().reduce((sum, job) => sum + job.unassigned, 0);
  }

  /** Number of connections. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Reserves the first connection of a download until the result is disposed of. */
  static expect(host: string): Disposable {
    const pool = RangePool.join(host, 0);
    pool.#expected++;
    return onDisposal(() => {
      pool.#expected--;
      pool.dispatch();
      pool[Symbol.dispose]();
    });
  }

  /** Counts a connection as active until it is disposed of. */
  connect(): PooledConnection {
    this.#active++;
    return onDisposal(() => {
      this.#active--;
      this.dispatch();
    });
  }

  /** Includes a connection in {@linkcode RangePool.isSlow} until the result is disposed of. */
  measure(clock: RateClock): Disposable {
    this.#clocks.add(clock);
    return onDisposal(() => this.#clocks.delete(clock));
  }

  /**
   * Whether all measured connections together are slow. On a busy machine, each of many connections
   * is slow even if the server is fast.
   */
  get isSlow(): boolean {
    return this.#clocks.values().reduce((sum, { rate }) => sum + rate, 0) < FAST_HOST_RATE;
  }

  /**
   * Announces a download that will be added once it is known that the host supports ranges.
   * Disposing of the result withdraws it.
   */
  announce(job: RangeJob): Disposable {
    this.#announced.add(job);
    return onDisposal(() => this.#announced.delete(job));
  }

  /** Adds a download to be served by free connections. Disposing of the result removes it. */
  add(job: RangeJob): Disposable {
    this.#jobs.add(job);
    this.dispatch();
    return onDisposal(() => {
      this.#jobs.delete(job);
      if (this.#jobs.size === 0) clearTimeout(this.#timer);
    });
  }

  /** Assigns ranges to free connections. */
  dispatch(): void {
    clearTimeout(this.#timer);
    if (this.#jobs.size === 0) return;
    this.#timer = setTimeout(() => this.dispatch(), LOOK_AGAIN_MS);
    const isLast = this.#hasFree && this.unassigned === 0;
    for (const job of this.#jobs) job.returnLateRanges(isLast);
    const maxFetching = this.#capacity + Math.ceil(this.#capacity * EARLY_SHARE);
    while (this.#hasFree && this.#fetching < maxFetching) {
      const job = this.#best();
      if (job === undefined) return;
      const connection = this.connect();
      this.#fetching++;
      job.fetchNext(connection).finally(() => {
        this.#fetching--;
        if (connection.disposed) this.dispatch();
        else connection[Symbol.dispose]();
      });
    }
  }

  [Symbol.dispose](): void {
    if (--this.#users === 0) RangePool.#pools.delete(this.#host);
  }

  get #hasFree(): boolean {
    return this.#active + this.#expected < this.#capacity;
  }

  #best(): RangeJob | undefined {
    let best: RangeJob | undefined;
    for (const job of this.#jobs) {
      if (job.mayFetchMore && job.unassigned > (best?.unassigned ?? 0)) best = job;
    }
    return best;
  }
}

/** Returns an object whose first disposal calls a function. */
function onDisposal(end: () => void): DisposableStack {
  const stack = new DisposableStack();
  stack.defer(end);
  return stack;
}
