import { type Digest, type DigestAlgorithm, Digester, isDigest } from "../../spec/digest.ts";
import { checkIntegers } from "../../spec/error_facts.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import { parseManifest } from "../../spec/image/manifest.ts";
import { referrerDescriptor } from "../../spec/image/referrers.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import type {
  BeginUploadOptions,
  BlobUpload,
  ContentRange,
  WritableRegistryContent,
} from "./registry_content.ts";

/** Options for {@linkcode MemoryRegistryContent}. */
export interface MemoryRegistryContentOptions {
  /**
   * Maximum total size of all blobs and unfinished uploads in bytes.
   *
   * @default {1_073_741_824}
   */
  readonly maxBytes?: number | undefined;
}

interface Repository {
  readonly tags: Map<string, Digest>;
  readonly manifests: Map<Digest, Descriptor>;
  readonly blobs: Map<Digest, Blob>;
}

const DEFAULT_MAX_BYTES = 1024 * 1024 * 1024;

/**
 * Registry content in memory: initially empty, and lost with the process. Intended for test suites.
 *
 * @example Look at what a program has pushed
 * ```ts
 * import { copy } from "@x/oci";
 * import { MemoryRegistryContent, serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const content = new MemoryRegistryContent();
 * await using registry = await serveRegistry(content);
 *
 * await copy("alpine:3.20", `${registry.host}/team/alpine:1.0`);
 *
 * assertEquals(await content.repositories(), ["team/alpine"]);
 * assertEquals(await content.tags("team/alpine"), ["1.0"]);
 * ```
 */
export class MemoryRegistryContent implements WritableRegistryContent {
  readonly #repositories = new Map<string, Repository>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** Creates content without any repository. */
  constructor(options: MemoryRegistryContentOptions = {}) {
    const { maxBytes = DEFAULT_MAX_BYTES } = options;
    checkIntegers("create registry content", { maxBytes }, 0);
    this.#maxBytes = maxBytes;
  }

  /** Lists the non-empty repositories, in order. */
  repositories(): Promise<readonly string[]> {
    const names = [...this.#repositories].filter(([, { tags, manifests, blobs }]) =>
      tags.size + manifests.size + blobs.size > 0
    ).map(([name]) => name);
    return Promise.resolve(names.sort());
  }

  /** Lists the tags of a repository, in order. */
  tags(repository: string): Promise<readonly string[]> {
    return Promise.resolve([...this.#repositories.get(repository)?.tags.keys() ?? []].sort());
  }

  /** Returns the descriptor of a manifest or index by tag or digest. */
  resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const found = this.#repositories.get(repository);
    const digest = isDigest(tagOrDigest) ? tagOrDigest : found?.tags.get(tagOrDigest);
    return Promise.resolve(digest === undefined ? undefined : found?.manifests.get(digest));
  }

  /** Returns the size of a manifest or blob in the repository. */
  size(repository: string, digest: Digest): Promise<number | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.blobs.get(digest)?.size);
  }

  /**
   * Opens the bytes of a manifest or blob in the repository.
   *
   * @throws {Deno.errors.NotFound} If the content does not exist.
   */
  open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const blob = this.#repositories.get(repository)?.blobs.get(digest);
    if (blob === undefined) {
      return Promise.reject(
        new Deno.errors.NotFound(`Cannot open ${digest}: "${repository}" does not have it`),
      );
    }
    const { offset = 0, length = blob.size } = range ?? {};
    return Promise.resolve(blob.slice(offset, offset + length).stream());
  }

  /** Lists the descriptors of the manifests whose `subject` is a digest. */
  async referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    const { manifests, blobs } = this.#repositories.get(repository) ?? {};
    const referrers: Descriptor[] = [];
    for (const descriptor of manifests?.values() ?? []) {
      const bytes = await blobs?.get(descriptor.digest)?.bytes();
      if (bytes === undefined) continue;
      const document = parseManifest(bytes, descriptor.mediaType, Infinity);
      if (document.value.subject?.digest !== digest) continue;
      referrers.push(referrerDescriptor(descriptor, document));
    }
    return referrers;
  }

  /** Begins the upload of a blob. */
  beginUpload(repository: string, options: BeginUploadOptions = {}): Promise<BlobUpload> {
    let chunks: Blob[] = [];
    const digester = new Digester(options.algorithm);
    let size = 0;
    const end = () => {
      chunks = [];
      this.#bytes -= size;
    };
    return Promise.resolve({
      get size() {
        return size;
      },
      write: (chunk) => {
        this.#reserve(chunk.length);
        size += chunk.length;
        digester.update(chunk);
        chunks.push(new Blob([chunk]));
      },
      commit: async (digest) => {
        const blob = new Blob(chunks);
        end();
        const actual = digestAlgorithm(digest) === digester.algorithm
          ? digester.digest()
          : await digestBlob(blob, digestAlgorithm(digest));
        if (actual !== digest) throw new DigestMismatchError({ expected: digest, actual, size });
        this.#add(repository, digest, blob);
      },
      cancel: () => {
        end();
        return Promise.resolve();
      },
    });
  }

  /** Adds a blob of one repository to another one. */
  mount(repository: string, digest: Digest, from?: string): Promise<boolean> {
    const sources = from === undefined
      ? [...this.#repositories.values()]
      : [this.#repositories.get(from)];
    const blob = sources.find((source) => source?.blobs.has(digest))?.blobs.get(digest);
    if (blob !== undefined) this.#add(repository, digest, blob);
    return Promise.resolve(blob !== undefined);
  }

  /** Stores a manifest or an index, and points tags at it. */
  putManifest(
    repository: string,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    tags: readonly string[],
  ): Promise<void> {
    return Promise.try(() => {
      const { digest } = descriptor;
      this.#add(repository, digest, new Blob([bytes]));
      const target = this.#repository(repository);
      target.manifests.set(digest, bareDescriptor(descriptor));
      for (const tag of tags) target.tags.set(tag, digest);
    });
  }

  /** Deletes only a tag. */
  deleteTag(repository: string, tag: string): Promise<boolean> {
    return Promise.resolve(this.#repositories.get(repository)?.tags.delete(tag) ?? false);
  }

  /** Deletes a manifest or index with all of its tags. */
  deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const found = this.#repositories.get(repository);
    if (found === undefined || !found.manifests.delete(digest)) return Promise.resolve(false);
    for (const [tag, target] of found.tags) if (target === digest) found.tags.delete(tag);
    this.#remove(found, digest);
    return Promise.resolve(true);
  }

  /** Deletes a blob that is neither manifest nor index. */
  deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const found = this.#repositories.get(repository);
    const isBlob = found !== undefined && found.blobs.has(digest) && !found.manifests.has(digest);
    if (isBlob) this.#remove(found, digest);
    return Promise.resolve(isBlob);
  }

  #repository(name: string): Repository {
    return this.#repositories.getOrInsertComputed(name, () => {
      return { tags: new Map(), manifests: new Map(), blobs: new Map() };
    });
  }

  #add(repository: string, digest: Digest, blob: Blob): void {
    const { blobs } = this.#repository(repository);
    if (blobs.has(digest)) return;
    this.#reserve(blob.size);
    blobs.set(digest, blob);
  }

  #remove({ blobs }: Repository, digest: Digest): void {
    this.#bytes -= blobs.get(digest)?.size ?? 0;
    blobs.delete(digest);
  }

  #reserve(bytes: number): void {
    const total = this.#bytes + bytes;
    if (total > this.#maxBytes) {
      throw new LimitError("bytes", this.#maxBytes, total, "a registry in memory", "maxBytes");
    }
    this.#bytes = total;
  }
}

async function digestBlob(blob: Blob, algorithm: DigestAlgorithm): Promise<Digest> {
  const digester = new Digester(algorithm);
  for await (const chunk of blob.stream()) digester.update(chunk);
  return digester.digest();
}
