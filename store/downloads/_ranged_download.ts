import { RegistryError } from "../../registry/errors.ts";
import { eitherSignal, onAbort } from "../../registry/tasks/abortable.ts";
import type { BlobAnswer, BlobReadOptions, BlobRetry } from "../../spec/image/image.ts";
import type { BlobWriter } from "../blobs/blob_writer.ts";
import { mergeRanges, PartRanges } from "../blobs/part_ranges.ts";
import { writeAllSync } from "../host/files.ts";
import { FAR_LATENCY_MS, firstRangeBytes, MIN_RANGED_BYTES } from "./_first_range.ts";
import { RangeMap } from "./_range_map.ts";
import { type PooledConnection, type RangeJob, RangePool } from "./_range_pool.ts";
import { RateClock } from "./_rate_clock.ts";
import { readChunks } from "./_read_chunks.ts";
import { Segment } from "./_segment.ts";
import type { DownloadPlan, RangesListener } from "./ingest_options.ts";

/** Length of the range that shows whether a near server supports ranges. */
const SCOUT_BYTES = 2 * 1024 * 1024;
const MAX_RANGE_BYTES = 16 * 1024 * 1024;
/** Length of ranges that are processed while the next ones arrive. */
const STEADY_RANGE_BYTES = 4 * 1024 * 1024;
/**
 * Distance between such a range and the processed bytes, as a multiple of its length. All
 * connections deliver at the same time, but the bytes are processed in order: with equal ranges,
 * processing would wait until the first one is complete, and then fall behind.
 */
const AHEAD_FACTOR = 4;
/** Minimum duration of such a range, in round trips. */
const MIN_ROUND_TRIPS = 4;
/** Size of the chunks that are read back from the part. */
const CHUNK_BYTES = 256 * 1024;
/** Their size if they are passed to another thread, where each chunk has a cost. */
const FOLLOWED_CHUNK_BYTES = 1024 * 1024;
/** Number of bytes to read back before yielding to other tasks. */
const TURN_BYTES = 2 * 1024 * 1024;

/**
 * Downloads the missing bytes of a part, over several connections if the server supports ranges and
 * is far away, or one connection turns out to be slow.
 *
 * The first request asks a far server for a short range, and a near one for the whole blob. The
 * response to a range shows whether the server supports ranges, unless an earlier one announced it.
 * Ranges are written into the part as they arrive, and recorded beside it. The bytes are hashed and
 * passed on in order, as they are read back from the part. Ranges get smaller toward the end of all
 * downloads, and free connections fetch the rest of a late range, so that none is idle while bytes
 * are missing.
 *
 * @returns Whether the part is complete. If not, the server does not support ranges or sends invalid
 * responses, and the caller downloads the rest over one connection.
 */
export async function downloadRanges(
  writer: BlobWriter,
  plan: DownloadPlan,
  listener: RangesListener,
): Promise<boolean> {
  using pool = RangePool.join(plan.host, plan.connections ?? 1);
  return await new RangedDownload(writer, pool, plan, listener).run();
}

/** Thrown when the server sent something other than the requested range. */
class RangeRefused extends Error {}

class RangedDownload implements RangeJob {
  readonly #writer: BlobWriter;
  readonly #plan: DownloadPlan;
  readonly #listener: RangesListener;
  /** Whether the bytes are processed as they arrive, which retains the memory of chunks. */
  readonly #isFollowed: boolean;
  readonly #pool: RangePool;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  readonly #map: RangeMap;
  readonly #running = new Set<Promise<void>>();
  #record: PartRanges | undefined;
  #membership: Disposable | undefined;
  /**
   * Whether the head must not be shortened: a near server has not answered a request for a range yet
   * or has refused it, or other connections already fetch the rest.
   */
  #keepsHead = false;
  /** Whether the first request is unanswered. */
  #awaitsHead = false;
  /** Whether the server has sent something other than a requested range. */
  #isRefused = false;
  #latencyMs: number;
  #changed = Promise.withResolvers<void>();

  constructor(
    writer: BlobWriter,
    pool: RangePool,
    plan: DownloadPlan,
    listener: RangesListener,
  ) {
    this.#writer = writer;
    this.#pool = pool;
    this.#plan = plan;
    this.#listener = listener;
    this.#isFollowed = plan.follower !== undefined;
    this.#latencyMs = plan.latencyMs ?? 0;
    this.#map = new RangeMap(writer.size, writer.laterRanges, writer.total);
    this.#signal = eitherSignal(plan.signal, this.#failure.signal);
  }

  get unassigned(): number {
    return this.#isRefused ? 0 : this.#map.unassigned;
  }

  get mayFetchMore(): boolean {
    return this.#map.mayFetchMore;
  }

  returnLateRanges(isLast: boolean): void {
    if (this.#isRefused || this.#pool.isThrottled) return;
    const { pace } = this.#pool;
    for (const segment of this.#map.running) {
      if (!pace.isLate(segment, this.#latencyMs, isLast)) continue;
      if (this.#map.giveBack(segment, this.#latencyMs)) pace.count(segment);
    }
  }

  async run(): Promise<boolean> {
    if (this.#pool.isUseful === false) return false;
    using _announced = this.#pool.announce(this);
    try {
      if (this.#writer.laterRanges.length > 0 || this.#pool.isUseful) this.#useRanges();
      else await this.#readHead();
      if (this.#membership !== undefined) await this.#pump();
      return this.#writer.complete;
    } catch (error) {
      this.#fail(error);
      this.#plan.signal?.throwIfAborted();
      const { reason } = this.#failure.signal;
      if (!(reason instanceof RangeRefused)) throw reason;
      return false;
    } finally {
      this.#membership?.[Symbol.dispose]();
      this.#map.stop();
      await Promise.all(this.#running);
      this.#record?.[Symbol.dispose]();
    }
  }

  async fetchNext(connection: PooledConnection): Promise<void> {
    const segment = this.#nextSegment();
    if (segment === undefined) return;
    await this.#start(() => this.#fetch(segment, connection));
  }

  /** Runs a task whose failure ends the download; the pump reports it. */
  async #start(work: () => Promise<void>): Promise<void> {
    const task = work().catch((error) => this.#fail(error));
    this.#running.add(task);
    await task;
    this.#running.delete(task);
  }

  #fail(error: unknown): void {
    this.#failure.abort(this.#writer.explain(error));
    this.#map.stop();
  }

  /**
   * Reads the first bytes in order, and has other connections fetch the rest as soon as that is
   * likely to help.
   */
  async #readHead(): Promise<void> {
    using connection = this.#pool.connect();
    this.#plan.expected?.[Symbol.dispose]();
    const isFar = this.#latencyMs >= FAR_LATENCY_MS;
    const { size: offset, total } = this.#writer;
    const { follower, connections = 1, acceptsRanges } = this.#plan;
    const length = isFar ? firstRangeBytes(total - offset, connections) : undefined;
    const head = this.#map.takeNext(length ?? total - offset);
    if (head === undefined) return;
    const clock = new RateClock();
    using _measured = this.#pool.measure(clock);
    const answered = ({ isPartial, latencyMs }: BlobAnswer) => {
      if (offset > 0 && !isPartial) this.#listener.onRepeat();
      if (length === undefined) return;
      this.#latencyMs = latencyMs;
      this.#awaitsHead = false;
      this.#pool.isUseful = isPartial && !this.#isRefused;
      if (!isPartial) this.#readWhole(head);
      else if (this.#isRefused) this.#fail(new RangeRefused());
      else this.#useRanges();
    };
    this.#awaitsHead = true;
    if (isFar && acceptsRanges) this.#useRanges();
    const how = {
      offset,
      length: length === undefined ? undefined : head.left,
      reuseMemory: !this.#isFollowed,
      onAnswer: answered,
      // A broken connection must not count as a slow one.
      onRetry: () => clock.reset(),
    };
    await this.#read(head, how, async (chunk) => {
      clock.stop(chunk.length);
      this.#writer.write(chunk);
      this.#recordHead();
      this.#releaseEarly(head, connection);
      this.#report();
      await follower?.write(chunk);
      if (!isFar && clock.isSlow && this.#pool.isSlow) this.#askForRanges(head);
      clock.start();
    });
    if (head.left > 0 && !head.signal.aborted) throw new RangeRefused();
    // Another connection may fetch the first bytes because no answer has come.
    this.#awaitsHead = false;
    if (this.#isRefused && !this.#writer.complete) this.#fail(new RangeRefused());
    // Otherwise the pump reads on while they run.
    if (this.#membership === undefined) await Promise.all(this.#running);
  }

  /** Continues with only the open connection, because the server sends the whole blob over it. */
  #readWhole(head: Segment): void {
    this.#membership?.[Symbol.dispose]();
    this.#membership = undefined;
    this.#map.keepOnly(head);
    head.extend(this.#writer.total);
  }

  /** Requests a range from a near server whose connection is slow, while the head continues. */
  #askForRanges(head: Segment): void {
    const { total } = this.#writer;
    const { isUseful, capacity } = this.#pool;
    if (this.#keepsHead || isUseful === false || head.left < MIN_RANGED_BYTES) return;
    const share = Math.max(SCOUT_BYTES, Math.ceil(head.left / capacity));
    const start = head.position + share;
    if (isUseful) return this.#shorten(head, start, start);
    this.#keepsHead = true;
    const scout = new Segment(start, Math.min(total, start + SCOUT_BYTES));
    const answered = (isPartial: boolean) => {
      // The connection broke and was opened again; the range is already in use.
      if (this.#map.has(scout)) return this.#checkAnswer(scout, isPartial);
      this.#pool.isUseful = isPartial;
      // The head may already have passed the range.
      this.#keepsHead = !isPartial;
      if (!isPartial || head.position >= start) return scout.stop();
      this.#map.add(scout);
      this.#shorten(head, start, scout.end);
    };
    void this.#start(async () => {
      using connection = this.#pool.connect();
      try {
        await this.#fetch(scout, connection, answered);
      } catch (error) {
        // Until the range is used, its failure does not matter.
        if (this.#map.has(scout)) throw error;
      }
    });
  }

  /** Ends the head at `end`, and lets other connections fetch the bytes from `start` on. */
  #shorten(head: Segment, end: number, start: number): void {
    this.#keepsHead = true;
    head.shorten(end);
    this.#map.setMissing(start, this.#writer.total);
    this.#useRanges();
  }

  /** Records the bytes written in order as the first line of the record. */
  #recordHead(): void {
    if (this.#record === undefined) return;
    this.#writer.flush();
    this.#record.update(0, this.#writer.size);
  }

  /** Lets all connections to the server fetch ranges. */
  #useRanges(): void {
    if (this.#membership !== undefined) return;
    this.#plan.expected?.[Symbol.dispose]();
    this.#createRecord();
    this.#membership = this.#pool.add(this);
  }

  #createRecord(): PartRanges {
    if (this.#record !== undefined) return this.#record;
    this.#writer.flush();
    const present = [{ start: 0, end: this.#writer.size }, ...this.#map.present];
    // The first line is for the contiguous bytes at the start, even if there are none.
    const [head = { start: 0, end: 0 }, ...rest] = mergeRanges(present);
    const ranges = head.start === 0 ? [head, ...rest] : [{ start: 0, end: 0 }, head, ...rest];
    return this.#record = PartRanges.create(this.#plan.part, ranges);
  }

  #nextSegment(): Segment | undefined {
    if (this.#isRefused) return undefined;
    const unassigned = Math.max(this.unassigned, this.#pool.unassigned);
    const share = Math.ceil(unassigned / this.#pool.capacity);
    return this.#map.takeNext(Math.min(this.#maxRangeBytes, share));
  }

  /**
   * Maximum length of a range. If the bytes of a far server are processed as they arrive, the first
   * ranges are short and later ones longer. A near server sends so fast that additional requests
   * cost more than they gain.
   */
  get #maxRangeBytes(): number {
    if (!this.#isFollowed || this.#latencyMs < FAR_LATENCY_MS) return MAX_RANGE_BYTES;
    const roundTripBytes = this.#latencyMs * (this.#pool.pace.rate ?? 0);
    const steady = Math.max(STEADY_RANGE_BYTES, MIN_ROUND_TRIPS * roundTripBytes);
    const ahead = this.#map.nextMissing - this.#writer.size;
    return Math.min(MAX_RANGE_BYTES, steady, Math.max(ahead / AHEAD_FACTOR, roundTripBytes));
  }

  #checkAnswer(segment: Segment, isPartial: boolean): void {
    if (isPartial || segment.signal.aborted) return;
    this.#isRefused = true;
    this.#pool.isUseful = false;
    // The first request may still get the whole blob.
    if (this.#awaitsHead) segment.stop();
    else this.#fail(new RangeRefused());
  }

  async #fetch(
    segment: Segment,
    connection: PooledConnection,
    onAnswer = (isPartial: boolean) => this.#checkAnswer(segment, isPartial),
  ): Promise<void> {
    const { start, left: length } = segment;
    const record = this.#createRecord();
    const line = record.add(start);
    using file = await Deno.open(this.#plan.part, { write: true });
    await file.seek(start, Deno.SeekMode.Start);
    const how = { offset: start, length, reuseMemory: true };
    const answered = ({ isPartial }: BlobAnswer) => onAnswer(isPartial);
    await this.#read(segment, { ...how, onAnswer: answered }, (chunk) => {
      writeAllSync(file, chunk);
      record.update(line, segment.received);
      this.#releaseEarly(segment, connection);
      this.#report();
      this.#changed.resolve();
    });
    if (segment.left > 0 && !segment.signal.aborted) throw new RangeRefused();
    if (!segment.signal.aborted) this.#pool.pace.count(segment);
  }

  /** Reads the bytes of a segment, until it ends or other connections fetch the rest. */
  async #read(
    segment: Segment,
    options: BlobReadOptions,
    take: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>,
  ): Promise<void> {
    const signal = AbortSignal.any([this.#signal, segment.signal]);
    const onRetry = (retry: BlobRetry) => {
      // A server that limits requests, or fails, gets no further ones.
      if (retry.error instanceof RegistryError) this.#pool.isThrottled = true;
      this.#listener.onRetry();
      options.onRetry?.(retry);
    };
    try {
      const stream = await this.#plan.open({ ...options, raw: true, onRetry, signal });
      await readChunks(stream, (chunk) => {
        const own = segment.cut(chunk);
        this.#map.count(segment, own.length);
        this.#pool.pace.touch();
        const pending = own.length > 0 ? take(own) : undefined;
        return pending && segment.hold(pending);
      }, signal);
    } catch (error) {
      this.#signal.throwIfAborted();
      if (!segment.signal.aborted) throw error;
    }
  }

  /** Lets the next request start one round trip before this range ends. */
  #releaseEarly(segment: Segment, connection: PooledConnection): void {
    if (segment.left <= (segment.rate ?? 0) * this.#latencyMs) connection[Symbol.dispose]();
  }

  /** Hashes the bytes in order and passes them on. */
  async #pump(): Promise<void> {
    const chunkBytes = this.#isFollowed ? FOLLOWED_CHUNK_BYTES : CHUNK_BYTES;
    let memory: Uint8Array<ArrayBuffer> | undefined;
    let turn = 0;
    // Other downloads may use all connections, so that no request of this one notices the abort.
    using _abort = onAbort(this.#signal, () => this.#changed.resolve());
    while (!this.#writer.complete) {
      this.#signal.throwIfAborted();
      const { size, total } = this.#writer;
      const wanted = Math.min(chunkBytes, total - size);
      if (this.#map.contiguousEnd(size) - size < wanted) {
        this.#changed = Promise.withResolvers();
        await this.#changed.promise;
        continue;
      }
      if (memory === undefined || this.#isFollowed) memory = new Uint8Array(wanted);
      const chunk = this.#writer.readNext(memory.subarray(0, wanted));
      const pending = this.#plan.follower?.write(chunk);
      if (pending !== undefined) await pending;
      turn += chunk.length;
      if (turn < TURN_BYTES) continue;
      turn = 0;
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  #report(): void {
    this.#listener.onBytes(this.#map.received);
  }
}
