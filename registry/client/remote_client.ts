import type { Descriptor } from "../../spec/descriptor.ts";
import type { ImageDocument, RemoteImage } from "../../spec/image.ts";
import type { ManifestDocument } from "../../spec/manifest.ts";
import { checkBounds } from "../transport/bounds.ts";
import type { RegistryReader } from "./_registry_reader.ts";
import type { ImageClient, ImageClientOptions, ImagePullAuth } from "../image_client.ts";
import type { Reference, Repository } from "../reference.ts";
import type {
  BlobOptions,
  ReferrersOptions,
  RemoteClientOptions,
  RemoteOptions,
} from "../remote_client_options.ts";

/**
 * Reads images from registries that follow the OCI distribution specification.
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
}
