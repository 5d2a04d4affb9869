import type { Descriptor } from "./descriptor.ts";
import type { BlobReadOptions } from "./image.ts";

/** Options of every method of {@linkcode ContentSource} and {@linkcode ContentTarget}. */
export interface ContentOptions {
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the bytes of a blob or a document, from `offset` on; without one, all of them. Called again
 * with another offset to resume an interrupted transfer.
 */
export type OpenContent = (
  options?: BlobReadOptions,
) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** Options for {@linkcode ContentTarget.push}. */
export interface PushContentOptions extends ContentOptions {
  /**
   * Called with the number of transferred bytes, which decreases when a transfer starts again.
   */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called with the error of each attempt that is repeated. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Origin of the bytes in errors. */
  readonly source?: string | undefined;
  /**
   * Whether to send the bytes even if the target seems to have them elsewhere.
   *
   * @default {false}
   */
  readonly skipMount?: boolean | undefined;
}

/**
 * A source of content, such as a repository of a registry, a store or an archive.
 *
 * A descriptor with the media type of a manifest or an index describes a document; every other one
 * describes a blob. A source that stores the two separately, such as a registry, tells them apart by
 * the media type.
 */
export interface ContentSource {
  /** Name of the source in errors about its bytes. */
  readonly origin?: string | undefined;
  /**
   * Opens the bytes of a document or a blob, from `offset` on.
   *
   * Sources of this library verify a read of the whole content unless it is `raw`. Other sources
   * need not: a copy compares the bytes with the descriptor.
   *
   * @param descriptor Descriptor of the content.
   * @param options The offset and abort signal.
   * @returns The bytes; a caller that does not read them to the end cancels the stream.
   * @throws {Error} If the source does not have it.
   */
  fetch(
    descriptor: Descriptor,
    options?: BlobReadOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Lists the manifests whose `subject` is a document: signatures, SBOMs, attestations. Sources
   * without referrers lack this method.
   *
   * @param descriptor The document.
   * @param options Abort signal.
   */
  referrers?(descriptor: Descriptor, options?: ContentOptions): Promise<readonly Descriptor[]>;
}

/** A target for content. Stored content is always complete and verified. */
export interface ContentTarget {
  /**
   * Returns whether the target already has the content.
   *
   * @param descriptor Descriptor of the content.
   * @param options Abort signal.
   */
  exists(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>;
  /**
   * Stores a document or a blob. Everything that a document refers to must be stored before it.
   * Existing content is stored again, or left unchanged.
   *
   * @param descriptor Descriptor that the bytes must match. The target verifies them, or has the
   * other side verify them, before they become visible.
   * @param open Opens the bytes.
   * @param options Signal and callbacks.
   * @returns `"mounted"` if the target had the bytes elsewhere and read none of `open`.
   * @throws {DigestMismatchError} If the bytes do not match the descriptor.
   */
  push(
    descriptor: Descriptor,
    open: OpenContent,
    options?: PushContentOptions,
  ): Promise<"mounted" | void>;
}

/** A {@linkcode ContentSource} in which documents have names, such as the tags of a repository. */
export interface NamedSource extends ContentSource {
  /**
   * Resolves a name.
   *
   * @param name The name.
   * @param options Abort signal.
   * @returns The descriptor of its document, or `undefined` if the name is unknown.
   */
  resolve(name: string, options?: ContentOptions): Promise<Descriptor | undefined>;
}

/** Options for {@linkcode NamedTarget.tag}. */
export interface TagContentOptions extends ContentOptions {
  /** Opens the bytes of the document, for a target that accepts a name only together with the bytes. */
  readonly open?: OpenContent | undefined;
}

/** A {@linkcode ContentTarget} in which documents can have names. */
export interface NamedTarget extends ContentTarget {
  /**
   * Resolves a name.
   *
   * @param name The name.
   * @param options Abort signal.
   * @returns The descriptor of its document, or `undefined` if the name is unknown.
   */
  resolve(name: string, options?: ContentOptions): Promise<Descriptor | undefined>;
  /**
   * Assigns a name to an existing document, and replaces an earlier assignment.
   *
   * @param name The name.
   * @param descriptor The document.
   * @param options Signal, and the bytes of the document if the caller has them.
   */
  tag(name: string, descriptor: Descriptor, options?: TagContentOptions): Promise<void>;
  /**
   * Stores a document and names it in one step. Targets that need two steps lack this method; use
   * `push` and `tag` instead.
   *
   * @param name The name.
   * @param descriptor The document.
   * @param open Opens the bytes.
   * @param options Signal and callbacks.
   */
  pushAs?(
    name: string,
    descriptor: Descriptor,
    open: OpenContent,
    options?: PushContentOptions,
  ): Promise<void>;
}
