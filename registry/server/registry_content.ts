import type { Digest, DigestAlgorithm } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";

/** Range of a blob. */
export interface ContentRange {
  /** Offset of the first byte. */
  readonly offset: number;
  /** Number of bytes. */
  readonly length: number;
}

/** Which referrers to list, and in which order. */
export interface ReferrersQuery {
  /**
   * The only artifact type to list.
   *
   * By default, all types.
   */
  readonly artifactType?: string | undefined;
  /**
   * Text after which the digests of the listed referrers come, in the order of their digests.
   *
   * By default, all referrers, in the order of {@linkcode RegistryContent.referrers}.
   */
  readonly after?: string | undefined;
}

/**
 * Content that the embedded registry serves. The store implements it; so can a database.
 *
 * A repository that does not exist has no tags, and no reference in it resolves.
 */
export interface RegistryContent {
  /** Lists the repositories, in order. */
  repositories(): Promise<readonly string[]>;
  /** Lists the tags of a repository, in order. */
  tags(repository: string): Promise<readonly string[]>;
  /** Returns the descriptor of a manifest or index by tag or digest. */
  resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined>;
  /** Returns the size of a manifest or blob in the repository. */
  size(repository: string, digest: Digest): Promise<number | undefined>;
  /**
   * Returns the sizes of those manifests and blobs that the repository has. Optional: replaces many
   * calls of {@linkcode RegistryContent.size}.
   */
  sizes?(repository: string, digests: readonly Digest[]): Promise<ReadonlyMap<Digest, number>>;
  /** Opens the bytes of a manifest or blob in the repository. */
  open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
  /** Lists the descriptors of the manifests whose `subject` is a digest. */
  referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]>;
  /**
   * Yields the descriptors of the same manifests one at a time. Optional: together, their
   * annotations may be larger than the memory.
   */
  eachReferrer?(
    repository: string,
    digest: Digest,
    query: ReferrersQuery,
  ): AsyncIterable<Descriptor>;
  /** Returns whether a repository exists. Optional: replaces listing repositories and tags. */
  exists?(repository: string): Promise<boolean>;
  /**
   * Reason why nothing can be pushed, such as `it is a cache of docker.io`. Responses that reject
   * pushes and deletions include it.
   */
  readonly readOnlyReason?: string | undefined;
}

/** Options for {@linkcode WritableRegistryContent.beginUpload}. */
export interface BeginUploadOptions {
  /**
   * Hash function of the client's digest, so that the bytes are hashed once, as they arrive.
   *
   * @default {"sha256"}
   */
  readonly algorithm?: DigestAlgorithm | undefined;
}

/**
 * The upload of one blob. Its bytes become visible only after {@linkcode BlobUpload.commit} has
 * verified them. `commit` and `cancel` end the upload; no other method is called after them.
 */
export interface BlobUpload {
  /** Number of bytes received. */
  readonly size: number;
  /**
   * Appends bytes.
   *
   * @param chunk Next bytes. The caller may reuse the memory once the call has returned and its
   * promise, if any, has settled.
   */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void>;
  /**
   * Verifies the bytes and adds the blob to the repository.
   *
   * @param digest Digest from the client. Its algorithm may differ from the one given when the
   * upload began.
   * @throws {DigestMismatchError} If the bytes do not match; they are discarded.
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
   * Adds a blob of one repository to another one, without copying its bytes.
   *
   * @param from Source repository (default: any).
   * @returns Whether the blob was found.
   */
  mount(repository: string, digest: Digest, from?: string): Promise<boolean>;
  /**
   * Stores a manifest or an index with a verified digest, and points tags at it. The change is
   * atomic: if the method throws, none of it is visible.
   *
   * @param tags Tags to point at it; empty if it was pushed by digest only.
   */
  putManifest(
    repository: string,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    tags: readonly string[],
  ): Promise<void>;
  /** Deletes only a tag. Returns whether it existed. */
  deleteTag(repository: string, tag: string): Promise<boolean>;
  /** Deletes a manifest or index with all of its tags. Returns whether it existed. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>;
  /** Deletes a blob that is neither a manifest nor an index. Returns whether it existed. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean>;
}
