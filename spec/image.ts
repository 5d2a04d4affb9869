import type { Descriptor } from "./descriptor.ts";
import type { Digest } from "./digest.ts";
import type { ImageConfig } from "./image_config.ts";
import type { Index, Manifest } from "./manifest.ts";
import type { Platform } from "./platform.ts";

/** A JSON document of an image: the bytes exactly as served, and what they say. */
export interface ImageDocument<T> {
  /** Its media type, digest and size. */
  readonly descriptor: Descriptor;
  /** The bytes that have the digest. Never serialized again. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the bytes say. */
  readonly value: T;
}

/** Options for reading the bytes of a blob. */
export interface BlobReadOptions {
  /**
   * Bytes to leave out at the start: the stream begins exactly there.
   *
   * @default {0}
   */
  readonly offset?: number | undefined;
  /**
   * Number of bytes to read. A source that cannot send a part of a blob sends the rest of it;
   * `onAnswer` tells which of the two happens.
   *
   * @default All bytes from `offset` on.
   */
  readonly length?: number | undefined;
  /**
   * Whether the memory of a chunk may be used for the next one: for a reader that is done with a
   * chunk, or has transferred its buffer, before it reads on. It makes reading a good deal faster.
   *
   * @default {false}
   */
  readonly reuseMemory?: boolean | undefined;
  /**
   * Whether bytes that came before were not those of the blob: then they come from the registry
   * itself, not from a mirror.
   *
   * @default {false}
   */
  readonly again?: boolean | undefined;
  /** Stops the reading. */
  readonly signal?: AbortSignal | undefined;
  /** Called for each retry. */
  readonly onRetry?: ((attempt: BlobRetry) => void) | undefined;
  /** Called with each answer to a read with a `length`, before its first byte. */
  readonly onAnswer?: ((answer: BlobAnswer) => void) | undefined;
}

/** An answer to a read of a part of a blob. */
export interface BlobAnswer {
  /** Whether the answer has the requested part only. */
  readonly isPartial: boolean;
  /** Time from the request to the answer, in milliseconds. */
  readonly latencyMs: number;
}

/** One more attempt at a transfer. */
export interface BlobRetry {
  /** How many bytes of the blob were there when the transfer broke. */
  readonly offset: number;
  /** What broke it. */
  readonly error: unknown;
  /** How long the pause before this attempt is. */
  readonly delayMs: number;
}

/** A layer, wherever its bytes are. */
export interface RemoteLayer {
  /** The blob: media type, digest and size of the bytes as served. */
  readonly descriptor: Descriptor;
  /** Digest of the uncompressed bytes, as the image's config names it. */
  readonly diffId: Digest;
  /** Where the bytes come from, such as a URL, for errors; without secrets. */
  readonly source?: string | undefined;
  /**
   * Maximum number of parts of the blob to read at once. A source that serves one stream at the
   * speed of many says 1.
   *
   * @default {1}
   */
  readonly connections?: number | undefined;
  /**
   * Opens the bytes as served, most often compressed. They are *not verified*: who reads
   * them compares them with `descriptor` before relying on them. The chunks are the reader's own,
   * which may hand their memory to another thread.
   */
  compressed(options?: BlobReadOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

/** An image of one platform, wherever its bytes are. Its documents are verified. */
export interface RemoteImage {
  /** What the reference stands for: the digest of the index if there is one, else of the manifest. */
  readonly digest: Digest;
  /** The indexes between the reference and the manifest, the outermost first. */
  readonly indexes: readonly ImageDocument<Index>[];
  /** The manifest. */
  readonly manifest: ImageDocument<Manifest>;
  /** The config. */
  readonly config: ImageDocument<ImageConfig>;
  /** What the image runs on. */
  readonly platform: Platform;
  /** The layers, the base first. */
  readonly layers: readonly RemoteLayer[];
}
