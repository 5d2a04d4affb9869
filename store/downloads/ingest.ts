import { SingleFlight } from "../../registry/tasks/single_flight.ts";
import type { Digest } from "../../spec/digest.ts";
import { checkIntegers } from "../../spec/error_facts.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { digestName } from "../../spec/verifier.ts";
import type { BlobFiles } from "../blobs/blob_files.ts";
import { openBlobStream } from "../blobs/blob_stream.ts";
import { BlobWriter } from "../blobs/blob_writer.ts";
import { MIN_RANGED_BYTES } from "./_first_range.ts";
import { takeClaimedPart } from "./_part_claims.ts";
import { readChunks } from "./_read_chunks.ts";
import type {
  BlobSource,
  DownloadPlan,
  Ingestion,
  IngestOptions,
  IngestProgress,
} from "./ingest_options.ts";

/** Returns the path of the part of a blob that is being downloaded into a store. */
export function partPath(store: string, digest: Digest): string {
  return `${store}/ingest/${digestName(digest)}.part`;
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
  checkIntegers("store a blob", { size: descriptor.size }, 0);
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
      const plan = { ...options, open, part, host, expected, onProgress };
      return await download(descriptor, plan, target);
    },
    onProgress,
    signal,
  });
}

async function download(
  { size, digest }: Descriptor,
  plan: DownloadPlan,
  { blobs, onWait }: IngestTarget,
): Promise<Ingestion> {
  const { part, onProgress, signal, source, follower } = plan;
  const onBusy = partWatch(part, (bytes) => {
    onProgress({ bytes, total: size, resumed: 0, retries: 0 });
  });
  const waiting = { signal, onBusy, onWait };
  using writer = await BlobWriter.open(part, { digest, size }, {
    source,
    file: takeClaimedPart(part),
    ...waiting,
  });
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
  /** Number of bytes received, including those of later ranges. */
  #received = 0;
  #resumed: number;
  #retries = 0;
  #hasBegunAgain = false;

  constructor(writer: BlobWriter, plan: DownloadPlan) {
    this.#writer = writer;
    this.#plan = plan;
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
        this.#plan.signal?.throwIfAborted();
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

  /** The source sends the bytes of an earlier run once more. */
  readonly #onRepeat = (): void => {
    this.#resumed = 0;
  };

  /** Fetches missing ranges in parallel if that may help, or if an earlier run has begun to. */
  async #fetchRanges(): Promise<void> {
    const { laterRanges, total, size } = this.#writer;
    const { connections = 1 } = this.#plan;
    if (this.#hasBegunAgain) return;
    const isSmall = total - size < MIN_RANGED_BYTES;
    // Reading in order over one connection would fetch the later ranges again.
    if (laterRanges.length === 0 && (connections < 2 || isSmall)) return;
    const { downloadRanges } = await import("./_ranged_download.ts");
    await downloadRanges(this.#writer, this.#plan, {
      onRetry: this.#onRetry,
      onRepeat: this.#onRepeat,
      onBytes: (bytes) => {
        this.#received = bytes;
        this.#report();
      },
    });
  }

  /** Fetches the rest over one connection. */
  async #fetch(): Promise<void> {
    const writer = this.#writer;
    const { open, signal, follower } = this.#plan;
    writer.dropLaterRanges();
    this.#received = 0;
    this.#resumed = Math.min(this.#resumed, writer.resumed);
    const stream = await open({
      offset: writer.size,
      reuseMemory: follower === undefined || follower.reusesMemory === true,
      again: this.#hasBegunAgain,
      // The writer verifies the bytes.
      raw: true,
      onRetry: this.#onRetry,
      onAnswer: ({ isPartial }) => {
        if (!isPartial) this.#onRepeat();
      },
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
    await this.#plan.follower?.restart();
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
