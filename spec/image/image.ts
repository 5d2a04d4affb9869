import type { Digest } from "../digest.ts";
import type { Platform } from "../platform.ts";
import type { Descriptor } from "./descriptor.ts";
import type { ImageConfig } from "./image_config.ts";
import type { Index, Manifest } from "./manifest.ts";

/** A JSON document of an image: the bytes as served, and the parsed value. */
export interface ImageDocument<T> {
  /** Its media type, digest and size. */
  readonly descriptor: Descriptor;
  /** The original bytes, which match the digest. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The parsed document. */
  readonly value: T;
}

/** Options for reading the bytes of a blob. */
export interface BlobReadOptions {
  /**
   * Number of bytes to skip at the start.
   *
   * @default {0}
   */
  readonly offset?: number | undefined;
  /**
   * Number of bytes to read. A source that cannot send a part of a blob sends the rest of it;
   * `onAnswer` reports which of the two it sends.
   *
   * By default, all bytes from `offset` on.
   */
  readonly length?: number | undefined;
  /**
   * Whether the memory of a chunk may be reused for the next one: for a reader that is done with a
   * chunk, or has transferred its buffer, before it reads the next one. This makes reading much
   * faster.
   *
   * @default {false}
   */
  readonly reuseMemory?: boolean | undefined;
  /**
   * Whether to free the memory of a chunk when the next one is read: for a reader that passes
   * chunks on to the system, which keeps bytes that it has not sent. Without it, memory grows until
   * the next garbage collection.
   *
   * @default {false}
   */
  readonly freeMemory?: boolean | undefined;
  /**
   * Whether an earlier read did not match the digest. If so, mirrors are not used.
   *
   * @default {false}
   */
  readonly again?: boolean | undefined;
  /**
   * Whether to skip verification, for a reader that compares the bytes with the descriptor itself.
   * Without it, a read of the whole blob fails if the size or the digest is wrong. A source that
   * must notice damage, such as a store, verifies in any case.
   *
   * @default {false}
   */
  readonly raw?: boolean | undefined;
  /** Aborts the read. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each retry. */
  readonly onRetry?: ((attempt: BlobRetry) => void) | undefined;
  /** Called with each answer to a read with an `offset` or a `length`, before its first byte. */
  readonly onAnswer?: ((answer: BlobAnswer) => void) | undefined;
}

/** An answer to a read of a part of a blob. */
export interface BlobAnswer {
  /** Whether the answer has only the requested part. */
  readonly isPartial: boolean;
  /** Shortest response time of this server so far, in milliseconds. */
  readonly latencyMs: number;
}

/** A retry of a transfer. */
export interface BlobRetry {
  /** Number of bytes that were received before the failure. */
  readonly offset: number;
  /** Cause of the failure. */
  readonly error: unknown;
  /** Delay before this attempt, in milliseconds. */
  readonly delayMs: number;
}

/** A layer in a registry, a store or elsewhere. */
export interface RemoteLayer {
  /** Descriptor of the blob. */
  readonly descriptor: Descriptor;
  /** Digest of the archive, from the config of the image. */
  readonly diffId: Digest;
  /** Origin of the bytes in errors, such as a URL; without secrets. */
  readonly source?: string | undefined;
  /**
   * Maximum number of parts of the blob to read at once. It is 1 if one stream is as fast as many.
   *
   * @default {1}
   */
  readonly connections?: number | undefined;
  /**
   * Shortest response time of the source so far, in milliseconds. Several parts are read at once:
   * from a distant source right away, from a near one only if a single read turns out to be slow.
   *
   * @default {0}
   */
  readonly latencyMs?: number | undefined;
  /**
   * Whether the source has announced that it can send parts of blobs. If so, several are requested
   * without waiting for the first one.
   *
   * @default {false}
   */
  readonly acceptsRanges?: boolean | undefined;
  /**
   * Opens the bytes as served, usually compressed. The chunks belong to the reader, which may
   * transfer their memory.
   *
   * Layers of this library verify a read of the whole blob unless it is `raw`: the stream fails
   * with a {@linkcode DigestMismatchError} if the size or the digest is wrong. Do not trust the
   * bytes before the stream has closed. A part of a blob cannot be verified.
   */
  compressed(options?: BlobReadOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/** An image for one platform. Its documents are verified. */
export interface RemoteImage {
  /** Digest of the outermost index, or of the manifest if there is no index. */
  readonly digest: Digest;
  /** Indexes that lead to the manifest, the outermost first. */
  readonly indexes: readonly ImageDocument<Index>[];
  /** The manifest. */
  readonly manifest: ImageDocument<Manifest>;
  /** The config. */
  readonly config: ImageDocument<ImageConfig>;
  /** Platform of the image. */
  readonly platform: Platform;
  /** The layers, the base first. */
  readonly layers: readonly RemoteLayer[];
}
