import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions, BlobRetry, RemoteLayer } from "../../spec/image/image.ts";
import { SingleFlight } from "../../registry/tasks/single_flight.ts";
import { digestName } from "../../spec/verifier.ts";
import type { BlobFiles } from "../blobs/blob_files.ts";
import { MIN_RANGED_BYTES } from "./_first_range.ts";
import { readChunks } from "./_read_chunks.ts";
import { openBlobStream } from "../blobs/blob_stream.ts";
import { BlobWriter } from "../blobs/blob_writer.ts";

/** Returns the path of the part of a blob that is being downloaded into a store. */
export function partPath(store: string, digest: Digest): string {
  return `${store}/ingest/${digestName(digest)}.part`;
}

/** Opens the bytes of a blob from `offset` on, as {@linkcode RemoteLayer.compressed} does. */
export type BlobSource = (
  options: BlobReadOptions,
) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** Progress of the download of a blob. */
export interface IngestProgress {
  /** Number of bytes downloaded so far. */
  readonly bytes: number;
  /** Size of the blob in bytes. */
  readonly total: number;
  /** Number of bytes left by an earlier run. */
  readonly resumed: number;
  /** Number of attempts after the first. */
  readonly retries: number;
}

/**
 * Receives the bytes of a blob while they are stored, so that they are read only once. It receives
 * every byte from the first one on, including those left by an earlier run.
 */
export interface BlobFollower {
  /**
   * Whether it uses the memory of a chunk only until {@linkcode BlobFollower.write} returns, so
   * that the memory can be reused.
   *
   * @default {false}
   */
  readonly reusesMemory?: boolean | undefined;
  /**
   * Receives the next bytes, which are not verified yet.
   *
   * @param chunk The bytes; the follower may transfer their buffer unless it reuses memory.
   * @returns Nothing, or a promise to await before the next chunk.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /**
   * Called after the last byte, once the blob is verified. The blob is moved into place when this
   * resolves.
   */
  close(): Promise<void>;
  /** Called when the bytes so far were wrong; they restart at the first byte. */
  restart(): Promise<void>;
}

/** Options for {@linkcode ContentStore.ingest}. */
export interface IngestOptions
  extends Pick<RemoteLayer, "source" | "connections" | "latencyMs" | "acceptsRanges"> {
  /** Aborts the download; the next call resumes it. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with the progress of the download, even if another task or process downloads the blob.
   */
  readonly onProgress?: ((progress: IngestProgress) => void) | undefined;
  /** Follower that receives the bytes unless the blob is `"cached"`. */
  readonly follower?: BlobFollower | undefined;
}

/** Result of storing a blob. */
export interface Ingestion extends IngestProgress {
  /** `"cached"` if the blob was there, or another task or process has stored it in the meantime. */
  readonly status: "fetched" | "cached";
}

/** The parts of a store that a download uses. */
export interface IngestTarget {
  readonly directory: string;
  /** Creates what the directory lacks; called before the first write. */
  readonly prepare: (signal: AbortSignal | undefined) => Promise<void>;
  /** The blobs of the store. */
  readonly blobs: BlobFiles;
  /** Called once if the wait for another process takes longer than a second. */
  readonly onWait: ((message: string) => void) | undefined;
}

/**
 * Downloads of this process, by the path of their part. The lock of the part would suffice, but
 * tasks would have to poll it, and would not receive progress.
 */
const downloads = new SingleFlight<IngestProgress>();

/** Downloads a blob if the store does not have it. Concurrent tasks share one download. */
export async function ingestBlob(
  descriptor: Descriptor,
  open: BlobSource,
  target: IngestTarget,
  options: IngestOptions,
): Promise<Ingestion> {
  const { signal, onProgress } = options;
  const part = partPath(target.directory, descriptor.digest);
  const host = URL.parse(options.source ?? "")?.host ?? "";
  // Reserve a connection, because other downloads in ranges could take all of them first.
  using expected = options.acceptsRanges && descriptor.size >= MIN_RANGED_BYTES
    ? (await import("./_range_pool.ts")).RangePool.expect(host)
    : undefined;
  return await downloads.run(part, {
    find: async () => {
      return await target.blobs.isIntact(descriptor, signal) ? cached(descriptor) : undefined;
    },
    work: async (onProgress) => {
      await target.prepare(signal);
      return await download(
        descriptor,
        { open, part, host, expected, options, onProgress },
        target,
      );
    },
    onProgress,
    signal,
  });
}

/** Source, target and options of a download. */
interface DownloadPlan {
  readonly open: BlobSource;
  /** Path of the part. */
  readonly part: string;
  /** Server of the blob, whose connections all downloads share. */
  readonly host: string;
  /** Reservation of the first connection. */
  readonly expected: Disposable | undefined;
  readonly options: IngestOptions;
  readonly onProgress: (progress: IngestProgress) => void;
}

async function download(
  { size, digest }: Descriptor,
  plan: DownloadPlan,
  { blobs, onWait }: IngestTarget,
): Promise<Ingestion> {
  const { part, onProgress, options: { signal, source, follower } } = plan;
  const onBusy = partWatch(part, (bytes) => {
    onProgress({ bytes, total: size, resumed: 0, retries: 0 });
  });
  const waiting = { signal, onBusy, onWait };
  using writer = await BlobWriter.open(part, { digest, size }, { source, ...waiting });
  // The previous holder of the lock may have stored the blob.
  if (await blobs.isIntact({ digest, size }, signal)) {
    writer.discard();
    return cached({ size });
  }
  // Pass on the bytes left by an earlier run.
  if (writer.size > 0 && follower !== undefined) {
    const stream = await openBlobStream(part, { length: writer.size, signal });
    for await (const chunk of stream) await follower.write(chunk);
  }
  const transfer = new BlobDownload(writer, plan);
  await transfer.run();
  await follower?.close();
  await writer.commit(blobs);
  return { status: "fetched", ...transfer.progress };
}

function cached({ size }: Pick<Descriptor, "size">): Ingestion {
  return { status: "cached", bytes: size, total: size, resumed: 0, retries: 0 };
}

/** Downloads the missing bytes of a part, or all bytes if the part is invalid. */
class BlobDownload {
  readonly #writer: BlobWriter;
  readonly #plan: DownloadPlan;
  readonly #options: IngestOptions;
  /** Number of bytes received, including those of later ranges. */
  #received = 0;
  #resumed: number;
  #retries = 0;
  #hasBegunAgain = false;

  constructor(writer: BlobWriter, plan: DownloadPlan) {
    this.#writer = writer;
    this.#plan = plan;
    this.#options = plan.options;
    this.#resumed = writer.laterRanges.reduce(
      (sum, { start, end }) => sum + end - start,
      writer.resumed,
    );
    this.#received = this.#resumed;
  }

  get progress(): IngestProgress {
    const { size, total } = this.#writer;
    const bytes = Math.max(size, this.#received);
    return { bytes, total, resumed: this.#resumed, retries: this.#retries };
  }

  /** Fetches missing bytes until the part is complete and valid. */
  async run(): Promise<void> {
    for (;;) {
      this.#report();
      try {
        this.#options.signal?.throwIfAborted();
        // Request the empty blob too: the source may not have it.
        if (!this.#writer.complete || this.#writer.size === 0) await this.#fetchRanges();
        if (!this.#writer.complete || this.#writer.size === 0) await this.#fetch();
        await this.#writer.finish();
        return;
      } catch (error) {
        await this.#beginAgain(error);
      }
    }
  }

  readonly #onRetry = (): void => {
    this.#retries++;
    this.#report();
  };

  /** Fetches missing ranges in parallel if that may help, or if an earlier run has begun to. */
  async #fetchRanges(): Promise<void> {
    const writer = this.#writer;
    const { signal, follower, connections = 1, latencyMs = 0 } = this.#options;
    const { acceptsRanges = false } = this.#options;
    const { open, part, host, expected } = this.#plan;
    if (this.#hasBegunAgain) return;
    const isSmall = writer.total - writer.size < MIN_RANGED_BYTES;
    // Reading in order over one connection would fetch the later ranges again.
    if (writer.laterRanges.length === 0 && (connections < 2 || isSmall)) return;
    const { downloadRanges } = await import("./_ranged_download.ts");
    await downloadRanges(writer, {
      part,
      host,
      connections,
      latencyMs,
      acceptsRanges,
      expected,
      open: (options) => {
        const onRetry = (retry: BlobRetry) => {
          this.#onRetry();
          options.onRetry?.(retry);
        };
        return open({ ...options, raw: true, onRetry });
      },
      signal,
      isFollowed: follower !== undefined,
      take: (chunk) => follower?.write(chunk),
      onBytes: (bytes) => {
        this.#received = bytes;
        this.#report();
      },
    });
  }

  /** Fetches the rest over one connection. */
  async #fetch(): Promise<void> {
    const writer = this.#writer;
    const { signal, follower } = this.#options;
    writer.dropLaterRanges();
    this.#received = 0;
    const stream = await this.#plan.open({
      offset: writer.size,
      reuseMemory: follower === undefined || follower.reusesMemory === true,
      again: this.#hasBegunAgain,
      // The writer verifies the bytes.
      raw: true,
      onRetry: this.#onRetry,
      signal,
    });
    await readChunks(stream, (chunk) => {
      writer.write(chunk);
      this.#report();
      return follower?.write(chunk);
    }, signal);
  }

  /**
   * Empties the part for one more attempt, or throws `error`. The wrong bytes may come from an
   * earlier run, from a mirror, or from the response to a resumed request.
   */
  async #beginAgain(error: unknown): Promise<void> {
    const { digest, total } = this.#writer;
    const isWrong = error instanceof DigestMismatchError && error.expected === digest;
    // An incomplete part may still be valid.
    if (!isWrong || error.size < total) throw error;
    if (this.#hasBegunAgain) {
      this.#writer.discard();
      throw error;
    }
    this.#hasBegunAgain = true;
    this.#writer.restart();
    await this.#options.follower?.restart();
    this.#resumed = 0;
    this.#received = 0;
    this.#retries++;
  }

  #report(): void {
    this.#plan.onProgress(this.progress);
  }
}

/** Returns a function that calls `onSize` if a part, which another process writes, has grown. */
function partWatch(part: string, onSize: (size: number) => void): () => void {
  let last = -1;
  return () => {
    Deno.stat(part).then((info) => {
      // A part that is downloaded in ranges has holes.
      const size = info.blocks === null ? info.size : Math.min(info.size, info.blocks * 512);
      if (size <= last) return;
      last = size;
      onSize(size);
    }).catch(() => {
      // The part no longer exists if the other process has just committed it.
    });
  };
}
