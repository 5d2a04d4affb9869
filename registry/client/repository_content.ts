import type {
  ContentOptions,
  NamedSource,
  NamedTarget,
  OpenContent,
  PushContentOptions,
  TagContentOptions,
} from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { MAX_MANIFEST_BYTES, parseManifest } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { readBytes } from "../../spec/image/read_bytes.ts";
import { RegistryError } from "../errors.ts";
import { formatRepository, type Repository } from "../reference.ts";
import type { RemoteOptions } from "../remote_client_options.ts";
import { BoundedMap } from "../transport/bounded_map.ts";
import type { RemoteClient } from "./remote_client.ts";

/** Maximum number of documents to keep for tagging; the oldest is dropped first. */
const MAX_KEPT = 16;

/** Options for {@linkcode RepositoryContent}. */
export interface RepositoryContentOptions extends Omit<RemoteOptions, "signal"> {
  /**
   * Finds another repository of the same registry that may have a blob, to mount it instead of
   * uploading it.
   */
  readonly mountFrom?:
    | ((descriptor: Descriptor) => string | undefined | Promise<string | undefined>)
    | undefined;
  /**
   * Whether the content is a target of pushes. One token then permits both pushes and tag lookups.
   *
   * @default {false}
   */
  readonly isTarget?: boolean | undefined;
}

/**
 * The content of one repository of a registry; names are tags.
 *
 * @example List the SBOMs of an image
 * ```ts
 * import { parseReference, RemoteClient, RepositoryContent } from "@x/oci/registry";
 * import { assert, assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const alpine = new RepositoryContent(client, parseReference("alpine:3.20"));
 *
 * const image = await alpine.resolve("3.20");
 * assert(image !== undefined);
 * const referrers = await alpine.referrers(image);
 *
 * assertEquals(referrers.map(({ artifactType }) => artifactType), ["application/spdx+json"]);
 * ```
 */
export class RepositoryContent implements NamedSource, NamedTarget {
  readonly #client: RemoteClient;
  readonly #repository: Repository;
  readonly #options: RepositoryContentOptions;
  /** Pushed documents, cached to save requests when they are tagged. */
  readonly #documents = new BoundedMap<string, Uint8Array<ArrayBuffer>>(MAX_KEPT);
  /** Whether a document has been fetched. */
  #hasFetched = false;

  /** Creates the content; the caller disposes of the client. */
  constructor(
    client: RemoteClient,
    repository: Repository,
    options: RepositoryContentOptions = {},
  ) {
    this.#client = client;
    this.#repository = { registry: repository.registry, repository: repository.repository };
    this.#options = options;
  }

  /** Name of the repository, for errors. */
  get origin(): string {
    return formatRepository(this.#repository);
  }

  /** Opens the bytes of a document or a blob. Verifies a read of all of them unless it is `raw`. */
  async fetch(
    descriptor: Descriptor,
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    if (!isDocumentMediaType(descriptor.mediaType)) {
      return await this.#client.blob(this.#repository, descriptor, {
        ...this.#remoteOptions({}),
        ...options,
      });
    }
    const { offset = 0, signal } = options;
    const reference = { ...this.#repository, digest: descriptor.digest };
    // Documents after the first one are named by others, so they must exist.
    const entry = this.#hasFetched ? descriptor : undefined;
    this.#hasFetched = true;
    const remote = this.#remoteOptions({ signal });
    const { bytes } = await this.#client.document(reference, { ...remote, entry });
    return new Blob([bytes.subarray(offset)]).stream();
  }

  /** Resolves a tag. */
  async resolve(name: string, options: ContentOptions = {}): Promise<Descriptor | undefined> {
    const { isTarget: isPushTarget } = this.#options;
    const remote = { ...this.#remoteOptions(options), isPushTarget };
    const found = this.#client.findTag(this.#repository, name, remote);
    return isPushTarget ? await unlessForbidden(found, undefined) : await found;
  }

  /**
   * Lists the referrers of a document, by the API or the fallback tag. Leaves out those of unknown
   * media types, with a warning, because their parts are unknown.
   */
  async referrers(
    { digest }: Descriptor,
    options: ContentOptions = {},
  ): Promise<readonly Descriptor[]> {
    const reference = { ...this.#repository, digest };
    const remote = this.#remoteOptions(options);
    const all = await this.#client.referrers(reference, remote);
    return all.filter((referrer) => {
      const isKnown = isDocumentMediaType(referrer.mediaType);
      if (!isKnown) {
        remote.onWarning?.(
          `Skipping the referrer ${referrer.digest} of ${digest}: its media type ` +
            `"${referrer.mediaType}" is not that of a manifest or an index`,
        );
      }
      return isKnown;
    });
  }

  /**
   * Returns whether the repository has a blob or document, by `HEAD`. If the registry forbids that,
   * the content counts as absent.
   */
  async exists(descriptor: Descriptor, options: ContentOptions = {}): Promise<boolean> {
    const remote = this.#remoteOptions(options);
    const found = isDocumentMediaType(descriptor.mediaType)
      ? this.#client.hasManifest(this.#repository, descriptor, remote)
      : this.#client.hasBlob(this.#repository, descriptor, remote);
    return await unlessForbidden(found, false);
  }

  /** Uploads a document, or uploads or mounts a blob. */
  async push(
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions = {},
  ): Promise<"mounted" | void> {
    const { onBytes, onRetry } = options;
    if (isDocumentMediaType(descriptor.mediaType)) {
      return await this.#pushDocument(descriptor, open, options);
    }
    const mountFrom = options.skipMount ? undefined : await this.#options.mountFrom?.(descriptor);
    return await this.#client.pushBlob(this.#repository, descriptor, open, {
      ...this.#remoteOptions(options),
      onBytes,
      onRetry,
      mountFrom,
    });
  }

  /** Uploads a document under a tag. */
  async pushAs(
    name: string,
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions = {},
  ): Promise<void> {
    await this.#pushDocument(descriptor, open, options, name);
  }

  /** Uploads an existing document again under a tag, because the protocol has no other way. */
  async tag(name: string, descriptor: Descriptor, options: TagContentOptions = {}): Promise<void> {
    const remote = this.#remoteOptions(options);
    const bytes = this.#documents.get(descriptor.digest) ??
      await this.#bytes(descriptor, options);
    await this.#client.pushManifest({ ...this.#repository, tag: name }, descriptor, bytes, remote);
  }

  /** Reads a document of the repository, from the caller if it has the bytes. */
  async #bytes(
    descriptor: Descriptor,
    options: TagContentOptions,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { open, signal } = options;
    if (open !== undefined) {
      return await readBytes(descriptor, open, { maxBytes: MAX_MANIFEST_BYTES, signal });
    }
    const reference = { ...this.#repository, digest: descriptor.digest };
    return (await this.#client.document(reference, this.#remoteOptions(options))).bytes;
  }

  async #pushDocument(
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions,
    tag?: string,
  ): Promise<void> {
    const { onBytes, onRetry } = options;
    const bytes = await readBytes(descriptor, open, { ...options, maxBytes: MAX_MANIFEST_BYTES });
    const remote = { ...this.#remoteOptions(options), onRetry };
    const reference = tag === undefined ? this.#repository : { ...this.#repository, tag };
    const { isListedAsReferrer } = await this.#client.pushManifest(
      reference,
      descriptor,
      bytes,
      remote,
    );
    this.#documents.set(descriptor.digest, bytes);
    onBytes?.(bytes.length);
    const document = parseManifest(bytes, descriptor.mediaType);
    const { subject } = document.value;
    if (subject === undefined || isListedAsReferrer) return;
    const { referrerDescriptor } = await import("../../spec/image/referrers.ts");
    const { addReferrer } = await import("./_fallback_referrers.ts");
    const entry = referrerDescriptor(descriptor, document);
    await addReferrer(this.#client, this.#repository, subject, entry, remote);
  }

  #remoteOptions({ signal }: ContentOptions): RemoteOptions {
    const { auth, caCerts, onWarning } = this.#options;
    return { auth, caCerts, onWarning, signal };
  }
}

/**
 * Waits for a lookup in the target of a copy; returns `absent` if the registry forbids the lookup,
 * because the account may only be allowed to push. If it may not do that either, the response to
 * the push says why, unlike a response to `HEAD`, which has no body.
 */
async function unlessForbidden<T>(found: Promise<T>, absent: T): Promise<T> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof RegistryError && error.status === 403) return absent;
    throw error;
  }
}
