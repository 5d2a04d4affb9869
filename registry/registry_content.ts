import type { Descriptor } from "../spec/descriptor.ts";
import type { Digest, DigestAlgorithm } from "../spec/digest.ts";

/** Part of a blob, or all of it. */
export interface ContentRange {
  /** First byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/**
 * Content that the embedded registry serves. The store implements it; so can a database.
 *
 * A repository that does not exist has no tags and resolves nothing.
 */
export interface RegistryContent {
  /** Every repository, in order. */
  repositories(): Promise<readonly string[]>;
  /** Every tag of a repository, in order. */
  tags(repository: string): Promise<readonly string[]>;
  /** The descriptor of a manifest or index, by tag or digest. */
  resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined>;
  /** The size of a manifest or blob that the repository has. */
  size(repository: string, digest: Digest): Promise<number | undefined>;
  /** Opens the bytes of a manifest or blob that the repository has. */
  open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Descriptors of the manifests whose `subject` is a digest. */
  referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]>;
  /** Whether a repository exists, where that costs less than to list repositories and tags. */
  exists?(repository: string): Promise<boolean>;
}

/** Options for {@linkcode WritableRegistryContent.beginUpload}. */
export interface BeginUploadOptions {
  /**
   * Hash function of the digest that the client is going to name, so that the bytes are hashed
   * once, while they arrive.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm | undefined;
}

/**
 * The upload of one blob. Its bytes become visible when {@linkcode BlobUpload.commit} has verified
 * them, and not before. `commit` and `cancel` end the upload; nothing else is called after them.
 */
export interface BlobUpload {
  /** Number of bytes received. */
  readonly size: number;
  /**
   * Appends bytes.
   *
   * @param chunk The next bytes; the caller may reuse them when the call has returned and its
   * promise, if any, has settled.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /**
   * Verifies the bytes and makes them a blob of the repository.
   *
   * @param digest The digest that the client names. Its algorithm may differ from the one that the
   * upload began with.
   * @throws {DigestMismatchError} If it is not the digest of the bytes; they are discarded.
   */
  commit(digest: Digest): Promise<void>;
  /** Discards the bytes. */
  cancel(): Promise<void>;
}

/**
 * Content that clients may push to and delete from. The registry checks requests, sizes, digests
 * and references between documents before it calls these methods.
 */
export interface WritableRegistryContent extends RegistryContent {
  /** Begins the upload of a blob. */
  beginUpload(repository: string, options?: BeginUploadOptions): Promise<BlobUpload>;
  /**
   * Makes a blob of one repository part of another one, without copying its bytes.
   *
   * @param repository The repository that gets the blob.
   * @param digest The blob.
   * @param from The repository that has it; if absent, any.
   * @returns Whether the blob was found.
   */
  mount(repository: string, digest: Digest, from?: string): Promise<boolean>;
  /**
   * Stores a manifest or an index whose digest has been verified, and points tags at it. Either
   * all of it is visible afterwards or, if it throws, nothing.
   *
   * @param repository The repository.
   * @param descriptor What the document is.
   * @param bytes The document.
   * @param tags Tags to point at it; none if it was pushed by digest alone.
   */
  putManifest(
    repository: string,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    tags: readonly string[],
  ): Promise<void>;
  /** Deletes a tag, and nothing else. Returns whether it existed. */
  deleteTag(repository: string, tag: string): Promise<boolean>;
  /** Deletes a manifest or index, and every tag that points at it. Returns whether it existed. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  /** Deletes a blob that is neither manifest nor index. Returns whether it existed. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean>;
}
