import type { BlobReadOptions } from "../../spec/image.ts";
import type { BlobWriter } from "./blob_writer.ts";
import { mergeRanges, missingRanges, PartRanges } from "./_part_ranges.ts";
import { pour } from "./_pour.ts";

/** Minimum size of a blob to download over several connections. */
export const MIN_RANGED_BYTES: number = 8 * 1024 * 1024;
/** Length of the first range, which shows whether the server supports ranges and how fast it is. */
const PROBE_BYTES = 4 * 1024 * 1024;
const MIN_RANGE_BYTES = 3 * 1024 * 1024;
const MAX_RANGE_BYTES = 12 * 1024 * 1024;
/** A server that is this far away is worth several connections from the start. */
const FAR_LATENCY_MS = 25;
/** Bytes per millisecond above which one connection to a near server is enough. */
const FAST_RATE = 30_000;
const CHUNK_BYTES = 256 * 1024;

/** Opens a range of a blob. */
export type OpenRange = (
  options: BlobReadOptions,
) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** Options for {@linkcode downloadRanges}. */
export interface RangedDownloadOptions {
  /** Path of the part. */
  readonly part: string;
  /** Maximum number of connections. */
  readonly connections: number;
  readonly open: OpenRange;
  readonly signal: AbortSignal | undefined;
  /** Called with the bytes in order, once the writer has hashed them. */
  readonly take: (chunk: Uint8Array<ArrayBuffer>) => void | Promise<void>;
  /** Whether `take` retains the memory of its chunks. */
  readonly keepsMemory: boolean;
  /** Called with the total number of bytes received. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Downloads the missing bytes of a part over several connections if the server supports ranges and
 * one connection is slower than this machine.
 *
 * Ranges are written into the part as they arrive, and recorded beside it. The bytes are hashed and
 * passed on in order, as they are read back from the part. Ranges get smaller towards the end of
 * the blob, so that the last bytes in order do not wait for a long range.
 *
 * @returns Whether the part is complete. If not, the caller downloads the rest over one connection:
 * the server does not support ranges, sends invalid responses, or is fast enough.
 */
export async function downloadRanges(
  writer: BlobWriter,
  options: RangedDownloadOptions,
): Promise<boolean> {
  return await new RangedDownload(writer, options).run();
}

/** Thrown when the server sent something other than the requested range. */
class RangeRefused extends Error {}

interface Segment {
  readonly start: number;
  readonly end: number;
  received: number;
}

class RangedDownload {
  readonly #writer: BlobWriter;
  readonly #options: RangedDownloadOptions;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;
  readonly #segments: Segment[] = [];
  #missing: { start: number; end: number }[] = [];
  #record: PartRanges | undefined;
  #workers: Promise<void>[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(writer: BlobWriter, options: RangedDownloadOptions) {
    this.#writer = writer;
    this.#options = options;
    const { signal } = this.#failure;
    this.#signal = options.signal === undefined
      ? signal
      : AbortSignal.any([options.signal, signal]);
  }

  async run(): Promise<boolean> {
    const { size, total, laterRanges } = this.#writer;
    const present = mergeRanges([{ start: 0, end: size }, ...laterRanges]);
    this.#segments.push(...laterRanges.map(({ start, end }) => {
      return { start, end, received: end - start };
    }));
    this.#missing = missingRanges(present, total).map((range) => ({ ...range }));
    try {
      if (laterRanges.length === 0 && !await this.#probe()) return false;
      this.#startWorkers();
      await this.#pump();
      await Promise.all(this.#workers);
      return true;
    } catch (error) {
      this.#failure.abort(error);
      await Promise.allSettled(this.#workers);
      this.#options.signal?.throwIfAborted();
      const { reason } = this.#failure.signal;
      if (!(reason instanceof RangeRefused)) throw reason;
      return false;
    } finally {
      this.#record?.[Symbol.dispose]();
    }
  }

  /**
   * Reads the first range in order and starts the other connections as soon as they are likely to
   * help. Returns whether it started them.
   */
  async #probe(): Promise<boolean> {
    const { offset, length } = this.#takeProbe();
    const started = performance.now();
    let isPartial = true;
    const { take, keepsMemory } = this.#options;
    const stream = await this.#options.open({
      offset,
      length,
      reuseMemory: !keepsMemory,
      signal: this.#signal,
      onAnswer: (answer) => {
        isPartial = answer.isPartial;
        if (isPartial && answer.latencyMs >= FAR_LATENCY_MS) this.#startWorkers();
      },
    });
    await pour(stream, (chunk) => {
      this.#writer.write(chunk);
      this.#recordProbe();
      this.#report();
      return take(chunk);
    }, this.#signal);
    const rate = length / (performance.now() - started);
    if (isPartial && rate < FAST_RATE) this.#startWorkers();
    // A server without ranges has sent the whole blob over this connection.
    return this.#workers.length > 0;
  }

  /** Records the bytes written in order as the first line of the record. */
  #recordProbe(): void {
    if (this.#record === undefined) return;
    this.#writer.flush();
    this.#record.update(0, this.#writer.size);
  }

  #takeProbe(): { readonly offset: number; readonly length: number } {
    const [first] = this.#missing;
    const offset = this.#writer.size;
    const end = Math.min(first?.end ?? offset, offset + PROBE_BYTES);
    if (first !== undefined) first.start = end;
    return { offset, length: end - offset };
  }

  #startWorkers(): void {
    if (this.#workers.length > 0) return;
    this.#writer.flush();
    const present = [
      { start: 0, end: this.#writer.size },
      ...this.#segments.map(({ start, received }) => ({ start, end: start + received })),
    ];
    // The contiguous bytes at the start come first, even if there are none.
    const [head = { start: 0, end: 0 }, ...rest] = mergeRanges(present);
    const ranges = head.start === 0 ? [head, ...rest] : [{ start: 0, end: 0 }, head, ...rest];
    this.#record = PartRanges.create(this.#options.part, ranges);
    for (let i = 0; i < this.#options.connections; i++) {
      const worker = this.#work();
      // One failure stops all workers; the pump reports it.
      worker.catch((error) => {
        this.#failure.abort(error);
        this.#changed.resolve();
      });
      this.#workers.push(worker);
    }
  }

  /** Fetches one range after another until none is missing. */
  async #work(): Promise<void> {
    using file = await Deno.open(this.#options.part, { write: true });
    for (;;) {
      this.#signal.throwIfAborted();
      const segment = this.#nextSegment();
      if (segment === undefined) return;
      await this.#fetch(segment, file);
    }
  }

  #nextSegment(): Segment | undefined {
    const [first] = this.#missing;
    if (first === undefined) return undefined;
    const left = this.#missing.reduce((sum, { start, end }) => sum + end - start, 0);
    const share = Math.ceil(left / this.#options.connections);
    const length = Math.min(MAX_RANGE_BYTES, Math.max(MIN_RANGE_BYTES, share));
    const { start } = first;
    // Include a remainder that is too short for a range.
    const end = first.end - start < length + MIN_RANGE_BYTES / 2 ? first.end : start + length;
    first.start = end;
    if (first.start >= first.end) this.#missing.shift();
    const segment = { start, end, received: 0 };
    if (end > start) this.#segments.push(segment);
    return end > start ? segment : this.#nextSegment();
  }

  async #fetch(segment: Segment, file: Deno.FsFile): Promise<void> {
    const { start, end } = segment;
    const line = this.#record?.add(start) ?? 0;
    await file.seek(start, Deno.SeekMode.Start);
    const stream = await this.#options.open({
      offset: start,
      length: end - start,
      reuseMemory: true,
      signal: this.#signal,
      onAnswer: ({ isPartial }) => {
        if (isPartial) return;
        this.#failure.abort(new RangeRefused());
        this.#changed.resolve();
      },
    });
    await pour(stream, (chunk) => {
      this.#signal.throwIfAborted();
      writeAll(file, chunk);
      segment.received += chunk.length;
      this.#record?.update(line, segment.received);
      this.#report();
      this.#changed.resolve();
    }, this.#signal);
    if (segment.received < end - start) throw new RangeRefused();
  }

  /** Hashes the bytes in order and passes them on. */
  async #pump(): Promise<void> {
    const { take, keepsMemory } = this.#options;
    let memory: Uint8Array<ArrayBuffer> | undefined;
    while (!this.#writer.complete) {
      this.#signal.throwIfAborted();
      const available = this.#availableEnd() - this.#writer.size;
      if (available <= 0) {
        this.#changed = Promise.withResolvers();
        // Check again: bytes may have arrived between the last check and the wait.
        if (this.#availableEnd() > this.#writer.size || this.#signal.aborted) continue;
        await this.#changed.promise;
        continue;
      }
      if (memory === undefined || keepsMemory) memory = new Uint8Array(CHUNK_BYTES);
      const chunk = this.#writer.readNext(memory.subarray(0, Math.min(CHUNK_BYTES, available)));
      const pending = take(chunk);
      if (pending !== undefined) await pending;
    }
  }

  /** Returns the end of the contiguous bytes. */
  #availableEnd(): number {
    let end = this.#writer.size;
    for (;;) {
      const next = this.#segments.find(({ start, received }) => {
        return start <= end && start + received > end;
      });
      if (next === undefined) return end;
      end = next.start + next.received;
    }
  }

  #report(): void {
    const { size } = this.#writer;
    let bytes = size;
    for (const { start, received } of this.#segments) {
      bytes += Math.max(0, start + received - Math.max(start, size));
    }
    this.#options.onBytes(bytes);
  }
}

function writeAll(file: Deno.FsFile, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
}
