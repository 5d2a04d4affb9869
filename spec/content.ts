import type { Descriptor } from "./descriptor.ts";
import type { BlobReadOptions } from "./image.ts";

/** Options of every method of {@linkcode ContentSource} and {@linkcode ContentTarget}. */
export interface ContentOptions {
  /** Stops the work. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the bytes of one blob or document, again and from another offset if need be: a transfer
 * that breaks reads on from where the other side lost it.
 */
export type OpenContent = (
  options?: BlobReadOptions,
) => Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** Options for {@linkcode ContentTarget.push}. */
export interface PushContentOptions extends ContentOptions {
  /**
   * Called with the number of bytes that have arrived so far, which is less than before when a
   * transfer starts again.
   */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Called when an attempt failed and another one follows. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
}

/**
 * Holds content that can be read: a registry's repository, a store, an archive, a bucket.
 *
 * A descriptor whose media type is that of a manifest or an index is a document; every other one
 * is a blob. A source that keeps the two apart, as a registry does, tells them apart by that.
 */
export interface ContentSource {
  /**
   * Opens the bytes of a document or a blob, from `offset` on. They need not be verified: the
   * caller compares them with the descriptor.
   *
   * @param descriptor What to read.
   * @param options The offset, and how to stop.
   * @returns The bytes; a caller that does not read them to the end cancels the stream.
   * @throws {Error} If the source does not have it.
   */
  fetch(
    descriptor: Descriptor,
    options?: BlobReadOptions,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /**
   * Lists the manifests whose `subject` is a document: signatures, SBOMs, attestations. Absent
   * where a source keeps none.
   *
   * @param descriptor The document.
   * @param options How to stop.
   */
  referrers?(descriptor: Descriptor, options?: ContentOptions): Promise<readonly Descriptor[]>;
}

/** Takes content. What it has taken is complete and verified, or not there. */
export interface ContentTarget {
  /**
   * Returns whether the content is there, so that it need not be pushed.
   *
   * @param descriptor What to look for.
   * @param options How to stop.
   */
  exists(descriptor: Descriptor, options?: ContentOptions): Promise<boolean>;
  /**
   * Stores a document or a blob. Everything that a document names is there before the document.
   * Content that is there already is stored again, or left as it is.
   *
   * @param descriptor What the bytes must be. The target verifies them, or has the other side
   * verify them, before they become visible.
   * @param open Opens the bytes.
   * @param options How to stop, and whom to tell.
   * @returns `"mounted"` if the target had the bytes elsewhere and read none of `open`.
   * @throws {DigestMismatchError} If the bytes are not those of the descriptor.
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
   * Finds the document that a name stands for.
   *
   * @param name The name.
   * @param options How to stop.
   * @returns Its descriptor, or `undefined` if the name stands for nothing.
   */
  resolve(name: string, options?: ContentOptions): Promise<Descriptor | undefined>;
  /**
   * Lists the names, in the order of the source. Absent where a source cannot.
   *
   * @param options How to stop.
   */
  names?(options?: ContentOptions): AsyncIterable<string>;
}

/** A {@linkcode ContentTarget} in which documents get names. */
export interface NamedTarget extends ContentTarget {
  /**
   * Finds the document that a name stands for.
   *
   * @param name The name.
   * @param options How to stop.
   * @returns Its descriptor, or `undefined` if the name stands for nothing.
   */
  resolve(name: string, options?: ContentOptions): Promise<Descriptor | undefined>;
  /**
   * Makes a name stand for a document that is there, in place of what it stood for.
   *
   * @param name The name.
   * @param descriptor The document.
   * @param options How to stop.
   */
  tag(name: string, descriptor: Descriptor, options?: ContentOptions): Promise<void>;
  /**
   * Stores a document and names it in one step, where that saves one. Absent where it saves
   * nothing: then `push` and `tag` do it.
   *
   * @param name The name.
   * @param descriptor The document.
   * @param open Opens the bytes.
   * @param options How to stop, and whom to tell.
   */
  pushAs?(
    name: string,
    descriptor: Descriptor,
    open: OpenContent,
    options?: PushContentOptions,
  ): Promise<void>;
}
