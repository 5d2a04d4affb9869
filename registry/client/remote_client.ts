import type { OpenContent } from "../../spec/content.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import type { ImageDocument, RemoteImage } from "../../spec/image.ts";
import type { ManifestDocument } from "../../spec/manifest.ts";
import { checkBounds } from "./_bounds.ts";
import type { RegistryReader } from "./_registry_reader.ts";
import type { RegistryWriter } from "./_registry_writer.ts";
import type { ImageClient, ImageClientOptions, ImagePullAuth } from "../image_client.ts";
import type { Reference, Repository } from "../reference.ts";
import type {
  BlobOptions,
  PushBlobOptions,
  PushManifestOptions,
  ReferrersOptions,
  RemoteClientOptions,
  RemoteOptions,
} from "../remote_client_options.ts";

/**
 * Reads from and writes to registries that follow the OCI distribution specification.
 *
 * Documents are verified before they are returned. Everything is tried again where that may
 * help, and a transfer that breaks goes on where it broke. Connections are kept until the client
 * is disposed of, and what it has learned (tokens, limits) as long as it lives: share one client.
 *
 * @example Read an image from a registry
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { digestOf, OCI_CONFIG, OCI_MANIFEST } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * // A registry with one image that has no layers.
 * const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
 * const config = bytes({ os: "linux", architecture: "amd64", rootfs: { diff_ids: [] } });
 * const manifest = bytes({
 *   schemaVersion: 2,
 *   mediaType: OCI_MANIFEST,
 *   config: { mediaType: OCI_CONFIG, digest: digestOf(config), size: config.length },
 *   layers: [],
 * });
 * await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
 *   if (request.url.endsWith("/manifests/latest")) {
 *     return new Response(manifest, { headers: { "content-type": OCI_MANIFEST } });
 *   }
 *   return new Response(config);
 * });
 *
 * using client = new RemoteClient({ credentials: "none" });
 * const reference = parseReference(`127.0.0.1:${server.addr.port}/app`);
 * const image = await client.image(reference, { platform: "linux/amd64" });
 *
 * assertEquals(image.digest, digestOf(manifest));
 * ```
 */
export class RemoteClient implements ImageClient, Disposable {
  readonly #options: RemoteClientOptions;
  #reader: RegistryReader | undefined;
  #writer: RegistryWriter | undefined;
  #isDisposed = false;

  /**
   * Connects to nothing yet, and needs no permission.
   *
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: RemoteClientOptions = {}) {
    checkBounds(options);
    this.#options = options;
  }

  /**
   * Finds an image: reads and verifies the manifest, for the platform that is asked for, and the
   * config. Layers are read when they are wanted.
   *
   * @param reference Which image.
   * @param options Platform, credentials and the like; there is no cache, so `pullPolicy` means
   * nothing here.
   * @returns The image.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   * @throws {AuthError} If the registry refuses.
   * @throws {PlatformError} If it has nothing for the platform.
   * @throws {ArtifactError} If it is not an image.
   * @throws {DigestMismatchError} If the bytes are not those of a digest.
   */
  async image(reference: Reference, options: ImageClientOptions = {}): Promise<RemoteImage> {
    return await (await this.#open()).image(reference, options);
  }

  /**
   * Asks what a reference stands for, if possible without reading it.
   *
   * @param reference Which image.
   * @param options Credentials and the like.
   * @returns The media type, digest and size of its manifest or index.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   */
  async resolve(reference: Reference, options: RemoteOptions = {}): Promise<Descriptor> {
    return await (await this.#open()).resolve(reference, options);
  }

  /**
   * Reads the manifest or index that a reference stands for, of an image or an artifact.
   *
   * @param reference Which one.
   * @param options Credentials and the like.
   * @returns The verified bytes, as served, and what they say.
   * @throws {NotFoundError} If the registry does not have it, or hides it.
   * @throws {DigestMismatchError} If the bytes are not those of the digest.
   * @throws {LimitError} If it is larger than `maxManifestBytes`.
   */
  async document(
    reference: Reference,
    options: RemoteOptions = {},
  ): Promise<ImageDocument<ManifestDocument>> {
    return await (await this.#open()).document(reference, options);
  }

  /**
   * Opens the bytes of a blob, from `offset` on. They are *not verified*: who reads them compares
   * them with the descriptor before relying on them. There are never more than it promises.
   *
   * The first request is made when the stream is first read, and errors come out of the stream.
   * While it is being read it takes one of the `maxConnections` places, so streams are read at
   * the same time or one after another, but not in turns; one that is given up is cancelled.
   *
   * @param repository Where the blob is.
   * @param descriptor Which blob; its `data` and `urls` are used too.
   * @param options Offset, credentials and the like.
   * @returns The bytes.
   * @throws {RangeError} If `offset` is not within the blob.
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
   * @param repository Which repository.
   * @param options Credentials and the like.
   * @returns The tags, read page by page as they are asked for.
   */
  async *tags(repository: Repository, options: RemoteOptions = {}): AsyncGenerator<string> {
    yield* (await this.#open()).tags(repository, options);
  }

  /**
   * Lists what refers to an image: signatures, SBOMs, attestations.
   *
   * @param reference Which image; without a digest, what its tag stands for.
   * @param options Which kind, credentials and the like.
   * @returns Their descriptors; none if the registry knows of none.
   */
  async referrers(
    reference: Reference,
    options: ReferrersOptions = {},
  ): Promise<readonly Descriptor[]> {
    return await (await this.#open()).referrers(reference, options);
  }

  /**
   * Checks a credential against a registry, without an image: asks `/v2/`, and the token server
   * that the registry names. No other credential is tried, and no anonymous access.
   *
   * @param registry The registry, as references name it, such as `ghcr.io` or `localhost:5000`.
   * @param auth The credential.
   * @param options Certificates and the like.
   * @returns Whether the registry asked for a credential; one that does not cannot check any.
   * @throws {LoginError} If the registry refuses the credential.
   */
  async checkCredential(
    registry: string,
    auth: ImagePullAuth,
    options: Omit<RemoteOptions, "auth"> = {},
  ): Promise<boolean> {
    return await (await this.#open()).checkCredential(registry, auth, options);
  }

  /**
   * Lists the repositories of a registry, all pages, in the order of the registry. Many registries
   * let nobody list them, or administrators only.
   *
   * @param registry The registry's host, such as `localhost:5000`.
   * @param options Credentials and the like.
   * @returns The repositories, read page by page as they are asked for.
   */
  async *repositories(registry: string, options: RemoteOptions = {}): AsyncGenerator<string> {
    yield* (await this.#openWriter()).repositories(registry, options);
  }

  /**
   * Returns whether a repository has a blob, by `HEAD`.
   *
   * @param repository The repository.
   * @param descriptor The blob.
   * @param options Credentials and the like.
   */
  async hasBlob(
    repository: Repository,
    descriptor: Pick<Descriptor, "digest">,
    options: RemoteOptions = {},
  ): Promise<boolean> {
    return await (await this.#openWriter()).hasBlob(repository, descriptor, options);
  }

  /**
   * Returns whether a repository has a manifest or an index, by `HEAD`.
   *
   * @param repository The repository.
   * @param descriptor The document.
   * @param options Credentials and the like.
   */
  async hasManifest(
    repository: Repository,
    descriptor: Pick<Descriptor, "digest" | "mediaType">,
    options: RemoteOptions = {},
  ): Promise<boolean> {
    return await (await this.#openWriter()).hasManifest(repository, descriptor, options);
  }

  /**
   * Uploads a blob, or mounts it from another repository of the registry. It does not look whether
   * the blob is there already: {@linkcode RemoteClient.hasBlob} does.
   *
   * An upload that breaks goes on from where the registry says that it is; one that the registry
   * has lost starts again. The registry compares the bytes with the digest.
   *
   * @param repository Where the blob goes.
   * @param descriptor Its digest and size.
   * @param open Opens its bytes at an offset.
   * @param options Where it may be mounted from, credentials and the like.
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
   * Uploads a manifest or an index, whose blobs and manifests are there already.
   *
   * @param reference Its tag, which then stands for it; without a tag it is stored by digest.
   * @param descriptor Its media type and digest.
   * @param bytes The bytes.
   * @param options Credentials and the like.
   * @returns Whether the registry lists it as a referrer of its `subject` by itself.
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
   * Deletes a tag, or a manifest with all of its tags. Blobs stay until the registry collects them.
   *
   * @param repository The repository.
   * @param tagOrDigest A tag deletes that tag alone; a digest deletes the manifest.
   * @param options Credentials and the like.
   * @throws {NotFoundError} If it is not there.
   * @throws {RegistryError} If the registry refuses; many cannot delete tags.
   */
  async delete(
    repository: Repository,
    tagOrDigest: string,
    options: RemoteOptions = {},
  ): Promise<void> {
    await (await this.#openWriter()).deleteManifest(repository, tagOrDigest, options);
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#reader?.[Symbol.dispose]();
  }

  /** What talks to registries; loaded when that is first wanted. */
  async #open(): Promise<RegistryReader> {
    const { RegistryReader } = await import("./_registry_reader.ts");
    const reader = this.#reader ??= new RegistryReader(this.#options);
    if (this.#isDisposed) reader[Symbol.dispose]();
    return reader;
  }

  async #openWriter(): Promise<RegistryWriter> {
    return this.#writer ??= await (await this.#open()).writer();
  }
}
