import { type Digest, isDigest } from "../../spec/digest.ts";
import { checkIntegers } from "../../spec/error_facts.ts";
import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument, RemoteImage } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import type { ImageClient, ImageClientOptions, ImagePullAuth } from "../image_client.ts";
import type { Reference, Repository } from "../reference.ts";
import type {
  BlobOptions,
  DocumentOptions,
  FindTagOptions,
  PushBlobOptions,
  PushManifestOptions,
  ReferrersOptions,
  RegistryEndpoint,
  RemoteClientOptions,
  RemoteOptions,
} from "../remote_client_options.ts";
import type { RegistryReader } from "./_registry_reader.ts";
import type { RegistryWriter } from "./_registry_writer.ts";

/**
 * Reads from and writes to registries that follow the OCI distribution specification.
 *
 * Verifies documents before returning them. Retries transient failures, and resumes interrupted
 * transfers. Keeps connections, tokens and rate limits until it is disposed of, so share one
 * client.
 *
 * @example Read the config of an image
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const reference = parseReference("alpine:3.20");
 * const image = await client.image(reference, { platform: "linux/arm64" });
 *
 * assertEquals(image.config.value.config.Cmd, ["/bin/sh"]);
 * assertEquals(image.config.value.platform.architecture, "arm64");
 * ```
 *
 * @example Delete a tag
 * ```ts
 * import { copy } from "@x/oci";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await copy("alpine:3.20", "localhost:5000/app:1.0");
 * await copy("alpine:3.20", "localhost:5000/app:2.0");
 *
 * using client = new RemoteClient();
 * const app = parseReference("localhost:5000/app");
 * await client.delete(app, "1.0");
 *
 * assertEquals(await Array.fromAsync(client.tags(app)), ["2.0"]);
 * ```
 */
export class RemoteClient implements ImageClient, Disposable {
  readonly #options: RemoteClientOptions;
  #reader: RegistryReader | undefined;
  #opening: Promise<RegistryReader> | undefined;
  #writer: RegistryWriter | undefined;
  #isDisposed = false;

  /**
   * Creates the client without connecting; needs no permission.
   *
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: RemoteClientOptions = {}) {
    checkBounds(options);
    this.#options = options;
  }

  /**
   * Lists the addresses where the content of a repository is looked up, in order: the mirrors,
   * then the registry. Sends no request.
   *
   * @param repository The repository. With a tag or a digest, only the mirrors for that are listed.
   * @returns The addresses. A registry on the loopback has one for HTTP and one for HTTPS, and the
   * first one that responds is used.
   * @throws {TypeError} If a mirror is invalid.
   * @throws {BlockedRegistryError} If `registries` block the repository.
   */
  async endpoints(repository: Reference | Repository): Promise<readonly RegistryEndpoint[]> {
    return (await this.#open()).endpoints(repository);
  }

  /**
   * Resolves an image: reads and verifies the manifest for the requested platform and the config.
   * Layers are read on demand.
   *
   * @param options Platform, credentials and others. Without a cache, `pullPolicy` has no effect.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   * @throws {AuthError} If the registry denies access.
   * @throws {PlatformError} If the image does not support the platform.
   * @throws {ArtifactError} If it is not an image.
   * @throws {DigestMismatchError} If bytes do not match their digest.
   */
  async image(reference: Reference, options: ImageClientOptions = {}): Promise<RemoteImage> {
    return await (await this.#open()).image(reference, options);
  }

  /**
   * Resolves a reference to a descriptor, if possible without downloading the document.
   *
   * @returns The media type, digest and size of its manifest or index.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   */
  async resolve(reference: Reference, options: RemoteOptions = {}): Promise<Descriptor> {
    return await (await this.#open()).resolve(reference, options);
  }

  /**
   * Reads the manifest or index of a reference to an image or an artifact.
   *
   * @returns The verified bytes as served, and the parsed document.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   * @throws {DigestMismatchError} If the bytes do not match the digest.
   * @throws {LimitError} If it is larger than `maxManifestBytes`.
   */
  async document(
    reference: Reference,
    options: DocumentOptions = {},
  ): Promise<ImageDocument<ManifestDocument>> {
    return await (await this.#open()).document(reference, options);
  }

  /**
   * Opens the bytes of a blob from `offset` on.
   *
   * Verifies a read of the whole blob: the stream fails at the first surplus byte, and in place of
   * the last bytes if the digest is wrong. Do not trust the bytes before the stream has closed. A
   * part of a blob cannot be verified, and a `raw` read is not: compare the bytes yourself.
   *
   * The first read of the stream sends the first request, and errors appear in the stream. A stream
   * occupies one of the `maxConnections` slots while it is open, so read streams concurrently or
   * one after another, but not alternately. Cancel abandoned ones.
   *
   * @param descriptor Descriptor of the blob; its `data` and `urls` are used too.
   * @throws {RangeError} If `offset` is not within the blob.
   * @throws {DigestMismatchError} In the stream, if the bytes do not match the descriptor.
   */
  async blob(
    repository: Repository,
    descriptor: Descriptor,
    options: BlobOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return await (await this.#open()).blob(repository, descriptor, options);
  }

  /**
   * Lists the tags of a repository, all pages, in the order of the registry.
   *
   * @returns The tags; pages are read on demand.
   */
  async *tags(repository: Repository, options: RemoteOptions = {}): AsyncGenerator<string> {
    yield* (await this.#open()).tags(repository, options);
  }

  /**
   * Lists the referrers of an image, such as signatures, SBOMs and attestations.
   *
   * @param reference Reference of the image; a tag is resolved first.
   * @returns The descriptors of the referrers.
   */
  async referrers(
    reference: Reference,
    options: ReferrersOptions = {},
  ): Promise<readonly Descriptor[]> {
    return await (await this.#open()).referrers(reference, options);
  }

  /**
   * Checks a credential against a registry without an image: requests `/v2/`, and a token from the
   * registry's token server. Tries neither other credentials nor anonymous access.
   *
   * @param registry Registry in the form of references, such as `ghcr.io` or `localhost:5000`.
   * @returns Whether the registry required a credential; if not, it cannot check one.
   * @throws {LoginError} If the registry rejects the credential.
   */
  async checkCredential(
    registry: string,
    auth: ImagePullAuth,
    options: Omit<RemoteOptions, "auth"> = {},
  ): Promise<boolean> {
    return await (await this.#open()).checkCredential(registry, auth, options);
  }

  /**
   * Lists all repositories of a registry in its order. Many registries do not allow this, or only
   * for administrators.
   *
   * @param registry The registry's host, such as `localhost:5000`.
   * @returns The repositories; pages are read on demand.
   */
  async *repositories(registry: string, options: RemoteOptions = {}): AsyncGenerator<string> {
    yield* (await this.#openWriter()).repositories(registry, options);
  }

  /**
   * Resolves a tag that may not exist, by `HEAD`, in the registry itself rather than a mirror.
   *
   * @returns The descriptor, or `undefined` if the repository does not have the tag.
   */
  async findTag(
    repository: Repository,
    tag: string,
    options: FindTagOptions = {},
  ): Promise<Descriptor | undefined> {
    const [reader, writer] = [await this.#open(), await this.#openWriter()];
    return await writer.findTag(repository, tag, options, (registry) => {
      return reader.documentFrom(registry, { ...repository, tag }, options);
    });
  }

  /**
   * Looks for a blob of unknown size, in the registry itself rather than a mirror: by `HEAD`, or by
   * `GET` of its first byte where that is rejected.
   *
   * @returns Its descriptor with the size that the registry reports, or `undefined` if the
   * repository does not have it, or the registry does not report a size.
   */
  async findBlob(
    repository: Repository,
    digest: Digest,
    options: RemoteOptions = {},
  ): Promise<Descriptor | undefined> {
    return await (await this.#openWriter()).findBlob(repository, digest, options);
  }

  /**
   * Returns whether a repository has a blob: by `HEAD`, or by `GET` of its first byte where that is
   * rejected, which the client remembers. If both are rejected, the blob counts as missing.
   */
  async hasBlob(
    repository: Repository,
    descriptor: Pick<Descriptor, "digest">,
    options: RemoteOptions = {},
  ): Promise<boolean> {
    return await (await this.#openWriter()).hasBlob(repository, descriptor, options);
  }

  /** Returns whether a repository has a manifest or an index, by `HEAD`. */
  async hasManifest(
    repository: Repository,
    descriptor: Pick<Descriptor, "digest" | "mediaType">,
    options: RemoteOptions = {},
  ): Promise<boolean> {
    return await (await this.#openWriter()).hasManifest(repository, descriptor, options);
  }

  /**
   * Uploads a blob, or mounts it from another repository of the registry. Does not check whether
   * the registry has the blob; use {@linkcode RemoteClient.hasBlob}.
   *
   * Resumes an interrupted upload at the offset that the registry reports; restarts an upload that
   * the registry has lost. The registry verifies the digest.
   *
   * Some registries, such as `registry:2`, discard an upload whose connection breaks during a
   * request, whatever its size. It then restarts at the first byte.
   *
   * @param open Opens its bytes from the `offset` in its options on; called again for each retry.
   * @returns `"mounted"` if the registry had the bytes in `mountFrom`.
   * @throws {RegistryError} If the registry refuses it; the message has the registry's reason.
   * @throws {DigestMismatchError} If `open` yields another number of bytes.
   */
  async pushBlob(
    repository: Repository,
    descriptor: Descriptor,
    open: OpenContent,
    options: PushBlobOptions = {},
  ): Promise<"mounted" | void> {
    return await (await this.#openWriter()).pushBlob(repository, descriptor, open, options);
  }

  /**
   * Uploads a manifest or an index. Its blobs and manifests must exist in the repository.
   *
   * @param reference Tag for the document; without a tag, it is stored by digest only.
   * @returns Whether the registry adds it to the referrers of its `subject`.
   * @throws {RegistryError} If the registry refuses it; the message has the registry's reason.
   */
  async pushManifest(
    reference: Reference,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    options: PushManifestOptions = {},
  ): Promise<{ readonly isListedAsReferrer: boolean }> {
    return await (await this.#openWriter()).pushManifest(reference, descriptor, bytes, options);
  }

  /**
   * Deletes a tag, or a manifest with all of its tags. The registry frees blobs by garbage
   * collection. A manifest that refers to another one is also removed from the fallback tag for
   * referrers.
   *
   * @param tagOrDigest A tag deletes only that tag; a digest deletes the manifest.
   * @throws {NotFoundError} If it does not exist.
   * @throws {RegistryError} If the registry rejects the request; many cannot delete tags.
   */
  async delete(
    repository: Repository,
    tagOrDigest: string,
    options: RemoteOptions = {},
  ): Promise<void> {
    const writer = await this.#openWriter();
    const remove = () => writer.deleteManifest(repository, tagOrDigest, options);
    if (!isDigest(tagOrDigest)) return await remove();
    const { deleteReferrer } = await import("./_fallback_referrers.ts");
    await deleteReferrer(this, { ...repository, digest: tagOrDigest }, remove, options);
  }

  /**
   * Closes the idle connections. Calls in progress and open streams continue, and close theirs at
   * their end.
   */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#reader?.[Symbol.dispose]();
  }

  /** Network code, loaded on first use. */
  async #open(): Promise<RegistryReader> {
    const { RegistryReader } = await import("./_registry_reader.ts");
    this.#opening ??= RegistryReader.open(this.#options);
    try {
      this.#reader = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    if (this.#isDisposed) this.#reader[Symbol.dispose]();
    return this.#reader;
  }

  async #openWriter(): Promise<RegistryWriter> {
    return this.#writer ??= await (await this.#open()).writer();
  }
}

const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** Names of the numeric options. */
type NumericOption = {
  [Name in keyof RemoteClientOptions]-?: RemoteClientOptions[Name] extends number | undefined ? Name
    : never;
}[keyof RemoteClientOptions];

/** Minimum and maximum of each numeric option. */
const BOUNDS = {
  retries: [0, 1_000],
  maxWaitMs: [0, Number.MAX_SAFE_INTEGER],
  stallTimeoutMs: [1, 2 ** 31 - 1],
  maxConnections: [1, 1_000],
  connections: [1, Number.MAX_SAFE_INTEGER],
  maxManifestBytes: [1, MAX_DOCUMENT_BYTES],
  maxConfigBytes: [1, MAX_DOCUMENT_BYTES],
  maxLayers: [0, 500],
} as const satisfies Readonly<Record<NumericOption, readonly [number, number]>>;

/**
 * Checks the numeric options.
 *
 * @throws {RangeError} If a number is out of bounds.
 */
function checkBounds(options: RemoteClientOptions): void {
  for (const name of Object.keys(BOUNDS) as (keyof typeof BOUNDS)[]) {
    const [min, max] = BOUNDS[name];
    checkIntegers("create a client", { [name]: options[name] }, min, max);
  }
  const [min, max] = BOUNDS.maxWaitMs;
  for (const [name, value] of Object.entries(options.backoff ?? {})) {
    checkIntegers("create a client", { [`backoff.${name}`]: value }, min, max);
  }
}
