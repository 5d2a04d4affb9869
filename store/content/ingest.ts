import type { Descriptor } from "../../spec/descriptor.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { BlobReadOptions } from "../../spec/image.ts";
import { openBlobStream } from "./blob_stream.ts";
import { SingleFlight } from "../host/single_flight.ts";
import { PartWatch } from "./_part_watch.ts";
import { pour } from "./_pour.ts";
import { BlobWriter } from "./blob_writer.ts";
import { downloadRanges, MIN_RANGED_BYTES } from "./_ranged_download.ts";

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
  readonly signal?: AbortSignal | undefined;
  /** Is told how far the download is, whoever does it: this task, another, another process. */
  readonly onProgress?: ((progress: IngestProgress) => void) | undefined;
  /** Where the bytes come from, for errors; without secrets. */
  readonly source?: string | undefined;
  /**
   * Maximum number of connections for the blob: see {@linkcode RemoteLayer.connections}.
   *
   * @default {1}
   */
  readonly connections?: number | undefined;
  /** Takes the bytes as well, unless the blob is `"cached"`. */
  readonly follower?: BlobFollower | undefined;
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
  /** Is told of another process that is waited for. */
  readonly onWait: ((message: string) => void) | undefined;
  /** Makes the store ready to be written to. */
  readonly prepare: () => Promise<void>;
  /** Whether the blob is there and intact. */
  readonly isIntact: () => Promise<boolean>;
  /** Gives a finished blob its name. */
  readonly commit: (writer: BlobWriter) => Promise<void>;
}

/**
 * Downloads of this process, by the path of their part. The lock of the part would suffice, but tasks
 * would have to poll it, and would not receive progress.
 */
const downloads = new SingleFlight<IngestProgress>();

/** Downloads a blob into the store unless it is there: once for all tasks. */
export async function ingestBlob(
  descriptor: Descriptor,
  open: BlobSource,
  target: IngestTarget,
  options: IngestOptions,
): Promise<Ingestion> {
  const { signal, onProgress } = options;
  return await downloads.run(target.part, {
    find: async () => await target.isIntact() ? cached(descriptor) : undefined,
    work: (report) => download(descriptor, open, target, options, report),
    onProgress,
    signal,
  });
}

async function download(
  descriptor: Descriptor,
  open: BlobSource,
  target: IngestTarget,
  options: IngestOptions,
  onProgress: (progress: IngestProgress) => void,
): Promise<Ingestion> {
  const { size, digest } = descriptor;
  const { signal, source, follower } = options;
  await target.prepare();
  const watch = new PartWatch(target.part, (bytes) => {
    onProgress({ bytes, total: size, resumed: 0, retries: 0 });
  });
  using writer = await BlobWriter.open(target.part, { digest, size }, {
    source,
    signal,
    onBusy: () => watch.look(),
    onWait: target.onWait,
  });
  // Whoever held the lock may have brought the blob.
  if (await target.isIntact()) {
    writer.discard();
    return cached(descriptor);
  }
  if (writer.size > 0) await replay(target.part, writer.size, follower, signal);
  const filling = new Filling(writer, open, target.part, options, onProgress);
  await filling.run();
  await follower?.close();
  await target.commit(writer);
  return { status: "fetched", ...filling.progress };
}

function cached({ size }: Descriptor): Ingestion {
  return { status: "cached", bytes: size, total: size, resumed: 0, retries: 0 };
}

/** Shows a follower what an earlier run had left. */
async function replay(
  part: string,
  length: number,
  follower: BlobFollower | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (follower === undefined) return;
  const stream = await openBlobStream(part, { length, signal });
  for await (const chunk of stream) await follower.write(chunk);
}

/** Fills a part with what it lacks, or else with all of it. */
class Filling {
  readonly #writer: BlobWriter;
  readonly #open: BlobSource;
  readonly #part: string;
  readonly #options: IngestOptions;
  readonly #onProgress: (progress: IngestProgress) => void;
  /** Bytes that have arrived, those of later ranges included. */
  #received = 0;
  #resumed: number;
  #retries = 0;
  #hasBegunAgain = false;

  constructor(
    writer: BlobWriter,
    open: BlobSource,
    part: string,
    options: IngestOptions,
    onProgress: (progress: IngestProgress) => void,
  ) {
    this.#writer = writer;
    this.#open = open;
    this.#part = part;
    this.#options = options;
    this.#onProgress = onProgress;
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

  /** Fetches what is missing, until the part is the blob. */
  async run(): Promise<void> {
    for (;;) {
      this.#report();
      try {
        this.#options.signal?.throwIfAborted();
        // The empty blob is asked for, too: it may not be there.
        if (!this.#writer.complete || this.#writer.size === 0) await this.#fetchRanges();
        if (!this.#writer.complete || this.#writer.size === 0) await this.#fetch();
        this.#writer.finish();
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

  /** Fetches a large blob over several connections, if that works and is worth it. */
  async #fetchRanges(): Promise<void> {
    const writer = this.#writer;
    const { signal, follower, connections = 1 } = this.#options;
    if (connections < 2 || this.#hasBegunAgain || writer.total - writer.size < MIN_RANGED_BYTES) {
      return;
    }
    await downloadRanges(writer, {
      part: this.#part,
      connections,
      open: (options) => this.#open({ ...options, onRetry: this.#onRetry }),
      signal,
      // A follower keeps the chunks that it is given.
      keepsMemory: follower !== undefined,
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
    const stream = await this.#open({
      offset: writer.size,
      reuseMemory: follower === undefined,
      again: this.#hasBegunAgain,
      onRetry: this.#onRetry,
      signal,
    });
    await pour(stream, (chunk) => {
      writer.write(chunk);
      this.#report();
      return follower?.write(chunk);
    }, signal);
  }

  /**
   * Empties the part for one more attempt, or throws `error`. Those of an earlier run, of a mirror,
   * or of an answer after a cut may be what is wrong.
   */
  async #beginAgain(error: unknown): Promise<void> {
    if (!this.#isWrong(error)) throw error;
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

  /** Whether all bytes came, and are not those of the blob. Fewer may be right as far as they go. */
  #isWrong(error: unknown): boolean {
    const { digest, total } = this.#writer;
    return error instanceof DigestMismatchError && error.expected === digest && error.size >= total;
  }

  #report(): void {
    this.#onProgress(this.progress);
  }
}
