import type { BlobReadOptions, RemoteLayer } from "../../spec/image/image.ts";

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

/** Source and target of a download. */
export interface DownloadPlan extends IngestOptions {
  readonly open: BlobSource;
  /** Path of the part. */
  readonly part: string;
  /** Server of the blob, whose connections all downloads share. */
  readonly host: string;
  /** Reservation of the first connection, disposed of once it is open. */
  readonly expected: Disposable | undefined;
  readonly onProgress: (progress: IngestProgress) => void;
}

/** Callbacks for a download in ranges. */
export interface RangesListener {
  /** Called with the total number of bytes received. */
  readonly onBytes: (bytes: number) => void;
  readonly onRetry: () => void;
  /** Called if the source sends the bytes that are present once more. */
  readonly onRepeat: () => void;
}
