import type { Descriptor } from "../spec/descriptor.ts";
import type { Digest } from "../spec/digest.ts";
import { DigestMismatchError } from "../spec/errors.ts";
import type { BlobReadOptions } from "../spec/image.ts";
import { openBlobStream } from "./_blob_stream.ts";
import { BlobWriter } from "./blob_writer.ts";

/** Opens the bytes of a blob from `offset` on, as {@linkcode RemoteLayer.compressed} does. */
export type BlobSource = (
  options: BlobReadOptions,
) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** How far the download of a blob is. */
export interface IngestProgress {
  /** Bytes that are there. */
  readonly bytes: number;
  /** Bytes that there will be. */
  readonly total: number;
  /** Bytes that an earlier run had left. */
  readonly resumed: number;
  /** Attempts after the first. */
  readonly retries: number;
}

/**
 * Takes the bytes of a blob while they come into the store, so that they are read once. All of
 * them pass, from the first one on, also those that an earlier run had left.
 */
export interface BlobFollower {
  /**
   * Takes the next bytes, which are on their way to the disk but not verified yet.
   *
   * @param chunk The bytes; their buffer may be taken away.
   * @returns Nothing, or what is to be awaited before there are more.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /** All bytes have passed and are those of the blob, which gets its name when this resolves. */
  close(): Promise<void>;
  /** What has passed was wrong; the bytes begin anew. */
  restart(): Promise<void>;
}

/** Options for {@linkcode ContentStore.ingest}. */
export interface IngestOptions {
  /** Stops the download; what has come stays and is resumed by the next. */
  readonly signal?: AbortSignal;
  /** Is told how far the download is, whoever does it: this task, another, another process. */
  readonly onProgress?: (progress: IngestProgress) => void;
  /** Where the bytes come from, for errors; without secrets. */
  readonly source?: string;
  /** Takes the bytes as well, unless the blob is `"cached"`. */
  readonly follower?: BlobFollower;
}

/** How a blob got into the store. */
export interface Ingestion extends IngestProgress {
  /** `"cached"` if the blob was there, or somebody else brought it meanwhile. */
  readonly status: "fetched" | "cached";
}

/** What an ingest needs to know of the store. */
export interface IngestTarget {
  /** Path of the part. */
  readonly part: string;
  /** Makes the store ready to be written to. */
  readonly prepare: () => Promise<void>;
  /** Whether the blob is there and intact. */
  readonly isIntact: () => Promise<boolean>;
  /** Gives a finished blob its name. */
  readonly commit: (writer: BlobWriter) => Promise<void>;
}

interface Running {
  readonly ended: Promise<void>;
  readonly listeners: Set<(progress: IngestProgress) => void>;
  progress: IngestProgress | undefined;
}

/**
 * The downloads of this process, by the path of their part. The lock of the part would do
 * alone, but would have each task poll, and no task hear of another's progress.
 */
const running = new Map<string, Running>();

/** Brings a blob into the store unless it is there: once, however many ask for it. */
export async function ingestBlob(
  descriptor: Descriptor,
  open: BlobSource,
  target: IngestTarget,
  options: IngestOptions,
): Promise<Ingestion> {
  const { signal, onProgress } = options;
  const { size } = descriptor;
  for (;;) {
    signal?.throwIfAborted();
    if (await target.isIntact()) {
      return { status: "cached", bytes: size, total: size, resumed: 0, retries: 0 };
    }
    const other = running.get(target.part);
    if (other === undefined) break;
    // If the other task fails or is stopped, this one takes over with its own source.
    await waitFor(other, signal, onProgress);
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  const own: Running = { ended: promise, listeners: new Set(), progress: undefined };
  if (onProgress !== undefined) own.listeners.add(onProgress);
  running.set(target.part, own);
  try {
    return await download(descriptor, open, target, options, (progress) => {
      own.progress = progress;
      for (const listener of own.listeners) listener(progress);
    });
  } finally {
    running.delete(target.part);
    resolve();
  }
}

async function waitFor(
  other: Running,
  signal: AbortSignal | undefined,
  onProgress: ((progress: IngestProgress) => void) | undefined,
): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  if (onProgress !== undefined) {
    other.listeners.add(onProgress);
    if (other.progress !== undefined) onProgress(other.progress);
  }
  try {
    await Promise.race([other.ended, promise]);
  } finally {
    signal?.removeEventListener("abort", abort);
    if (onProgress !== undefined) other.listeners.delete(onProgress);
  }
}

async function download(
  descriptor: Descriptor,
  open: BlobSource,
  target: IngestTarget,
  options: IngestOptions,
  onProgress: (progress: IngestProgress) => void,
): Promise<Ingestion> {
  const { size: total, digest } = descriptor;
  const { signal, source, follower } = options;
  await target.prepare();
  const watch = new PartWatch(target.part, total, onProgress);
  using writer = await BlobWriter.open(target.part, { digest, size: total }, {
    source,
    signal,
    onBusy: () => watch.look(),
  });
  // Whoever held the lock may have brought the blob.
  if (await target.isIntact()) {
    writer.discard();
    return { status: "cached", bytes: total, total, resumed: 0, retries: 0 };
  }
  let { resumed } = writer;
  let retries = 0;
  const report = () => onProgress({ bytes: writer.size, total, resumed, retries });
  const onRetry = () => {
    retries++;
    report();
  };
  if (resumed > 0) await replay(target.part, follower, signal);
  for (;;) {
    report();
    try {
      signal?.throwIfAborted();
      if (!writer.complete || writer.size === 0) {
        const offset = writer.size;
        // A follower keeps the chunks that it is given.
        const reuseMemory = follower === undefined;
        const stream = await open({ offset, reuseMemory, onRetry, ...(signal && { signal }) });
        await transfer(stream, writer, follower, signal, report);
      }
      writer.finish();
      break;
    } catch (error) {
      if (!(error instanceof DigestMismatchError) || !isFrom(error, digest)) throw error;
      // A body that ended early may be right as far as it goes: the part stays to be resumed.
      if (error.size < total) throw error;
      if (resumed === 0) {
        writer.discard();
        throw error;
      }
      // What an earlier run had left may be what is wrong: once more, from the first byte.
      writer.restart();
      await follower?.restart();
      resumed = 0;
      retries++;
    }
  }
  await follower?.close();
  await target.commit(writer);
  return { status: "fetched", bytes: total, total, resumed, retries };
}

/** Whether a mismatch is that of the blob rather than one of the source's own. */
function isFrom(error: DigestMismatchError, digest: Digest): boolean {
  return error.expected === digest;
}

/** Shows a follower what an earlier run had left. */
async function replay(
  part: string,
  follower: BlobFollower | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (follower === undefined) return;
  for await (const chunk of await openBlobStream(part, { signal })) await follower.write(chunk);
}

async function transfer(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  writer: BlobWriter,
  follower: BlobFollower | undefined,
  signal: AbortSignal | undefined,
  report: () => void,
): Promise<void> {
  const reader = stream.getReader();
  // Ends a read that waits, whatever the source makes of the signal.
  const abort = () => void reader.cancel(signal?.reason).catch(() => {});
  signal?.addEventListener("abort", abort, { once: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      signal?.throwIfAborted();
      if (done) return;
      writer.write(value);
      report();
      const pending = follower?.write(value);
      if (pending !== undefined) await pending;
    }
  } catch (error) {
    // The source may have failed itself; then there is nothing to cancel.
    await reader.cancel(error).catch(() => {});
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    reader.releaseLock();
  }
}

/** Tells how far another process is, by the size of its part. */
class PartWatch {
  readonly #part: string;
  readonly #total: number;
  readonly #onProgress: (progress: IngestProgress) => void;
  #last = -1;

  constructor(part: string, total: number, onProgress: (progress: IngestProgress) => void) {
    this.#part = part;
    this.#total = total;
    this.#onProgress = onProgress;
  }

  look(): void {
    // The part is gone when the other process has just committed it.
    Deno.stat(this.#part).then(({ size }) => {
      if (size <= this.#last) return;
      this.#last = size;
      this.#onProgress({ bytes: size, total: this.#total, resumed: 0, retries: 0 });
    }).catch(() => {});
  }
}
