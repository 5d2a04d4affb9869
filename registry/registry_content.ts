import type { Descriptor } from "../spec/descriptor.ts";
import type { Digest } from "../spec/digest.ts";

/** Part of a blob, or all of it. */
export interface ContentRange {
  /** First byte. */
  readonly offset: number;
  /** How many bytes. */
  readonly length: number;
}

/**
 * What the embedded registry serves. The store implements it; so can a database.
 *
 * A repository that is not there has no tags and resolves nothing.
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
}
