import { type ByteRange, mergeRanges, missingRanges } from "../blobs/part_ranges.ts";
import { Segment } from "./_segment.ts";

/** Minimum length of a range. */
const MIN_RANGE_BYTES = 1024 * 1024;
/** Share of a blob that may be sent a second time, because a connection was slow. */
const SPARE_SHARE = 0.04;
const MIN_SPARE_BYTES = 1024 * 1024;
/** Number of bytes that have been sent, but are not read when a connection is closed. */
const LOST_BYTES = 128 * 1024;
/**
 * Time in milliseconds for which a resumed download uses the connections that it has before it uses
 * one more. A killed process loses what its connections receive until it has exited, about 15 ms.
 */
const MS_PER_CONNECTION = 300;
/** Time without a byte after which a connection has none left to read. */
const SILENT_MS = 1000;

/** Tracks which bytes of a blob are present, being fetched, or missing. */
export class RangeMap {
  /** Ranges that have been requested, or that an earlier run has fetched. */
  readonly #segments = new Set<Segment>();
  #missing: { start: number; end: number }[];
  #received: number;
  readonly #resumed: number;
  /** Number of bytes that may be sent a second time. */
  #spareBytes: number;

  /**
   * Creates the map of a blob.
   *
   * @param size Number of contiguous bytes at its start.
   * @param later Ranges beyond them that are already present.
   * @param total Size of the blob.
   */
  constructor(size: number, later: readonly ByteRange[], total: number) {
    this.#received = size;
    this.#spareBytes = Math.max(SPARE_SHARE * total, MIN_SPARE_BYTES);
    for (const { start, end } of later) {
      const segment = this.add(new Segment(start, end));
      segment.received = end - start;
      this.#received += segment.received;
    }
    this.#resumed = this.#received;
    const present = mergeRanges([{ start: 0, end: size }, ...later]);
    this.#missing = missingRanges(present, total).map((range) => ({ ...range }));
  }

  get received(): number {
    return this.#received;
  }

  /** Number of missing bytes that no connection is fetching. */
  get unassigned(): number {
    return this.#missing.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /**
   * Whether one more connection may fetch a range.
   *
   * If the process is killed, the bytes that each connection has not read yet are sent again. A
   * resumed download may be killed as soon as the one before it, so it starts with few connections.
   */
  get mayFetchMore(): boolean {
    if (this.#resumed === 0) return true;
    const now = performance.now();
    const active = this.running.filter(({ lastMs }) => now - lastMs < SILENT_MS);
    const rate = Math.max(0, ...active.map(({ rate = 0 }) => rate));
    const gained = this.#received - this.#resumed;
    return active.length < 1 + (rate > 0 ? Math.floor(gained / (rate * MS_PER_CONNECTION)) : 0);
  }

  /** Start of the first gap; `Infinity` if there is none. */
  get nextMissing(): number {
    return this.#missing[0]?.start ?? Infinity;
  }

  /** Ranges that are present beyond the contiguous bytes at the start. */
  get present(): readonly ByteRange[] {
    return [...this.#segments].map(({ start, position }) => ({ start, end: position }));
  }

  add(segment: Segment): Segment {
    this.#segments.add(segment);
    return segment;
  }

  has(segment: Segment): boolean {
    return this.#segments.has(segment);
  }

  count(segment: Segment, bytes: number): void {
    segment.count(bytes);
    this.#received += bytes;
  }

  /** Adds a range of about `length` bytes from the start of the first gap. */
  takeNext(length: number): Segment | undefined {
    const [first] = this.#missing;
    if (first === undefined) return undefined;
    const wanted = Math.max(MIN_RANGE_BYTES, Math.ceil(length));
    const { start } = first;
    // Include a remainder that is too short for a range.
    const end = first.end - start < wanted + MIN_RANGE_BYTES / 2 ? first.end : start + wanted;
    first.start = end;
    if (first.start >= first.end) this.#missing.shift();
    return this.add(new Segment(start, end));
  }

  /** Marks the bytes from `start` up to `end` as missing, and no others. */
  setMissing(start: number, end: number): void {
    this.#missing = [{ start, end }];
  }

  /** Stops fetching all ranges but one, and forgets the others. */
  keepOnly(segment: Segment): void {
    this.stop(segment);
    for (const other of this.#segments) if (other !== segment) this.#received -= other.received;
    this.#segments.clear();
    this.#segments.add(segment);
  }

  /** Stops fetching all ranges, except for one if given. */
  stop(except?: Segment): void {
    this.#missing = [];
    for (const segment of this.#segments) if (segment !== except) segment.stop();
  }

  /** Ranges that are being fetched. */
  get running(): readonly Segment[] {
    return [...this.#segments].filter(({ left }) => left > 0);
  }

  /**
   * Stops fetching a range, and marks its rest as missing.
   *
   * @returns Whether it has. If too many bytes would be sent a second time, the range continues.
   */
  giveBack(segment: Segment, latencyMs: number): boolean {
    const { position, end, rate = 0 } = segment;
    const lost = LOST_BYTES + rate * latencyMs;
    if (lost > this.#spareBytes) return false;
    this.#spareBytes -= lost;
    segment.shorten(position);
    this.#missing.push({ start: position, end });
    this.#missing.sort((a, b) => a.start - b.start);
    return true;
  }

  /**
   * Returns the end of the contiguous bytes, and forgets ranges that have been read.
   *
   * @param size Number of bytes that have been read in order.
   */
  contiguousEnd(size: number): number {
    for (const segment of this.#segments) {
      if (segment.left === 0 && segment.end <= size) this.#segments.delete(segment);
    }
    let end = size;
    for (;;) {
      const next = this.#segments.values().find(({ start, position }) => {
        return start <= end && position > end;
      });
      if (next === undefined) return end;
      end = next.position;
    }
  }
}
