import {
  type BlobReadOptions,
  type Descriptor,
  embeddedData,
  type ImageDocument,
  type ManifestDocument,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
  parsePlatform,
  type RemoteImage,
} from "../spec/mod.ts";
import { type BlobContext, foreignBlob, registryBlob } from "./_blob_sources.ts";
import { type BlobSource, openBlobStream } from "./_blob_stream.ts";
import { Connections } from "./_connections.ts";
import { readImage } from "./_image.ts";
import { type ManifestContext, readManifest, resolveManifest } from "./_manifests.ts";
import { isPrivateAddress } from "./_private_address.ts";
import { redactUrl } from "./_redact.ts";
import { readReferrers } from "./_referrers.ts";
import type { Sources } from "./_sources.ts";
import { listTags } from "./_tags.ts";
import { warnOnce } from "./_warn_once.ts";
import { hostPlatform } from "./host_platform.ts";
import type { ImageClient, ImageClientOptions } from "./image_client.ts";
import { formatReference, type Reference, type Repository } from "./reference.ts";
import type { RemoteClientOptions, RemoteOptions } from "./remote_client_options.ts";
import { checkBounds } from "./_bounds.ts";

/** Options of {@linkcode RemoteClient.blob}. */
export interface BlobOptions extends RemoteOptions, Omit<BlobReadOptions, "signal"> {}

/** Options of {@linkcode RemoteClient.referrers}. */
export interface ReferrersOptions extends RemoteOptions {
  /** Only those of this kind. */
  readonly artifactType?: string;
}

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
  readonly #connections: Connections;

  /**
   * Connects to nothing yet, and needs no permission.
   *
   * @throws {RangeError} If a number is out of bounds.
   */
  constructor(options: RemoteClientOptions = {}) {
    checkBounds(options);
    this.#options = options;
    this.#connections = new Connections(options);
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
    const { platform = this.#options.platform ?? hostPlatform(), onProgress } = options;
    const context = this.#context(reference, options);
    const image = await readImage(this.#sources(reference, options), reference, {
      ...context,
      platform: typeof platform === "string" ? parsePlatform(platform) : platform,
      maxConfigBytes: this.#options.maxConfigBytes ?? MAX_CONFIG_BYTES,
      compressed: (descriptor) => (readOptions = {}) => {
        return this.blob(reference, descriptor, { ...connectionOf(options), ...readOptions });
      },
    });
    onProgress?.({
      t: this.#connections.clock.now(),
      ref: formatReference(reference),
      digest: image.digest,
      phase: "resolve",
      bytes: 0,
      total: image.layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0),
      resumed: 0,
      retries: 0,
      cached: false,
    });
    return image;
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
    const context = this.#context(reference, options);
    return await this.#sources(reference, options).first((registry) => {
      return resolveManifest(registry, reference, context);
    }, context);
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
    const context = this.#context(reference, options);
    return await this.#sources(reference, options).first((registry) => {
      return readManifest(registry, reference, context);
    }, context);
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
  blob(
    repository: Repository,
    descriptor: Descriptor,
    options: BlobOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const { offset = 0, signal, onRetry } = options;
    const { digest, size } = descriptor;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
      return Promise.reject(
        new RangeError(
          `Cannot read ${digest} from ${offset} on as 'offset' must be within its ${size} bytes`,
        ),
      );
    }
    const embedded = embeddedData(descriptor);
    if (embedded !== undefined) {
      return Promise.resolve(new Blob([embedded.subarray(offset)]).stream());
    }
    const name = `${repository.registry}/${repository.repository}`;
    const task = `pull the blob ${digest} of "${name}"`;
    const onWarning = this.#warner(options);
    const sources = this.#blobSources(repository, descriptor, { task, onWarning }, options);
    return Promise.resolve(
      openBlobStream(descriptor, sources, { offset, task, signal, onRetry, onWarning }),
    );
  }

  /**
   * Lists the tags of a repository, all pages, in the order of the registry.
   *
   * @param repository Which repository.
   * @param options Credentials and the like.
   * @returns The tags, read page by page as they are asked for.
   */
  async *tags(repository: Repository, options: RemoteOptions = {}): AsyncGenerator<string> {
    const { signal } = options;
    const onWarning = this.#warner(options);
    const name = `${repository.registry}/${repository.repository}`;
    // Mirrors hold what somebody pulled through them: their lists are not the registry's.
    const registry = this.#sources(repository, options).upstream;
    yield* listTags(registry, {
      repository: repository.repository,
      task: `list the tags of "${name}"`,
      signal,
      onWarning,
    });
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
    const digest = reference.digest ?? (await this.resolve(reference, options)).digest;
    const context = this.#context(reference, options);
    const subject = { ...reference, digest };
    const task = `list the referrers of "${formatReference(subject)}"`;
    const registry = this.#sources(reference, options).upstream;
    return await readReferrers(registry, subject, options.artifactType, { ...context, task });
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#connections[Symbol.dispose]();
  }

  #sources({ registry }: Repository, options: RemoteOptions): Sources {
    return this.#connections.sources(registry, options);
  }

  #context(reference: Reference, options: RemoteOptions): ManifestContext {
    const { maxManifestBytes = MAX_MANIFEST_BYTES, maxLayers = MAX_LAYERS } = this.#options;
    return {
      task: `pull "${formatReference(reference)}"`,
      maxBytes: maxManifestBytes,
      maxLayers,
      signal: options.signal,
      onWarning: this.#warner(options),
    };
  }

  #warner(options: RemoteOptions): ((message: string) => void) | undefined {
    return warnOnce(options.onWarning ?? this.#options.onWarning);
  }

  #blobSources(
    { registry, repository }: Repository,
    descriptor: Descriptor,
    how: Omit<BlobContext, "repository">,
    options: RemoteOptions,
  ): readonly BlobSource[] {
    const context = { ...how, repository };
    const sources = this.#connections.sources(registry, options);
    const fromRegistry = sources.usable.map((source) => {
      return registryBlob(source, sources, descriptor, context);
    });
    const { http, policy } = this.#connections;
    const caCerts = [...(this.#options.caCerts ?? []), ...(options.caCerts ?? [])];
    const elsewhere = (descriptor.urls ?? []).flatMap((text) => {
      const url = URL.parse(text);
      if (url?.protocol === "https:" && url.username === "" && !isPrivateAddress(url)) {
        return [foreignBlob({ http, policy, caCerts }, url, context)];
      }
      context.onWarning?.(
        `${redactUrl(text)} is not asked for ${descriptor.digest}: only public ` +
          "https servers are",
      );
      return [];
    });
    return [...fromRegistry, ...elsewhere];
  }
}

/** What of the options of an image goes for its layers too. */
function connectionOf({ auth, caCerts, onWarning }: ImageClientOptions): RemoteOptions {
  return {
    ...(auth === undefined ? {} : { auth }),
    ...(caCerts === undefined ? {} : { caCerts }),
    ...(onWarning === undefined ? {} : { onWarning }),
  };
}
