import { type Digest, isDigest } from "../../spec/digest.ts";
import { explainedError } from "../../spec/error_facts.ts";
import { UnsupportedDigestError } from "../../spec/errors.ts";
import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import type { ImageDocument, RemoteImage } from "../../spec/image/image.ts";
import {
  type ManifestDocument,
  MAX_CONFIG_BYTES,
  MAX_LAYERS,
  MAX_MANIFEST_BYTES,
} from "../../spec/image/manifest.ts";
import { toPlatform } from "../../spec/platform.ts";
import type { RegistryRules } from "../configuration/registry_rules.ts";
import { foreignBlob, registryBlob } from "../downloads/blob_sources.ts";
import { type BlobState, openRemoteBlob, type RemoteBlobSource } from "../downloads/blob_stream.ts";
import { EarlyRequest } from "../downloads/early_request.ts";
import { MAX_CONNECTIONS, Registries } from "../endpoints/registries.ts";
import type { Registry } from "../endpoints/registry.ts";
import { hostPlatform } from "../host_platform.ts";
import type { ImageClientOptions, ImagePullAuth } from "../image_client.ts";
import {
  formatReference,
  formatRepository,
  type Reference,
  type Repository,
} from "../reference.ts";
import type { RegistriesConf } from "../registry_rule.ts";
import type {
  BlobOptions,
  DocumentOptions,
  ReferrersOptions,
  RegistryEndpoint,
  RemoteClientOptions,
  RemoteOptions,
} from "../remote_client_options.ts";
import { isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";
import { type ManifestContext, readManifest, resolveManifest } from "./_manifests.ts";
import type { RegistryWriter } from "./_registry_writer.ts";

/** Maximum number of URLs of a blob to try. */
const MAX_URLS = 16;

/**
 * Implementation of {@linkcode RemoteClient}, loaded on first use: callers that find everything in
 * the cache need no network code.
 */
export class RegistryReader implements Disposable {
  readonly #options: RemoteClientOptions;
  readonly #registries: Registries;
  /** Requests for layers that nothing has read yet. */
  readonly #unread = new Set<EarlyRequest>();

  private constructor(options: RemoteClientOptions, registries: Registries) {
    this.#options = options;
    this.#registries = registries;
  }

  /** Creates the reader. Reads the rules for registries if the options have a function for it. */
  static async open(options: RemoteClientOptions): Promise<RegistryReader> {
    const { registries } = options;
    const conf = typeof registries === "function" ? await registries() : registries;
    const rules = conf && conf.rules.length > 0 ? await loadRules(conf) : undefined;
    return new RegistryReader(options, new Registries(options, rules, conf?.credentialHelpers));
  }

  endpoints(place: Reference | Repository): readonly RegistryEndpoint[] {
    return this.#registries.sources(place, {}).all.flatMap((source) => {
      const { bases, root, isMirror } = source.endpoint;
      return bases.map(({ origin }) => {
        return { url: `${origin}${root}/${source.fullName(place.repository)}`, isMirror };
      });
    });
  }

  async image(reference: Reference, options: ImageClientOptions): Promise<RemoteImage> {
    const { platform = this.#options.platform ?? hostPlatform(), onProgress } = options;
    const { strictPlatform = false } = options;
    const context = this.#context(reference, options);
    // A layer that an image lists twice is requested early only once, for whichever is read first.
    const known = new Map<Digest, Map<Registry, BlobState>>();
    const { readRemoteImage } = await import("./_image.ts");
    const sources = this.#registries.sources(reference, options);
    const image = await readRemoteImage(sources, reference, {
      ...context,
      contentSources: this.#registries.contentSources(reference, options),
      platform: toPlatform(platform),
      strictPlatform,
      maxConfigBytes: this.#options.maxConfigBytes ?? MAX_CONFIG_BYTES,
      connections: this.#options.connections ?? 12,
      latencyMs: (host) => this.#registries.http.latencyMs(host),
      firstReads: options.firstReads,
      bytesOf: (descriptor) => {
        const states = known.getOrInsertComputed(
          descriptor.digest,
          () => new Map<Registry, BlobState>(),
        );
        const { auth, caCerts, onWarning, signal } = options;
        const common = { auth, caCerts, onWarning };
        return {
          compressed: (readOptions) => {
            const reading = { ...common, ...readOptions };
            return Promise.try(() => this.blob(reference, descriptor, reading, states));
          },
          request: ({ length, lock }) => {
            const reading = { ...common, length, signal };
            return this.#request(reference, descriptor, reading, lock, states);
          },
        };
      },
    });
    onProgress?.({
      kind: "total",
      time: Date.now(),
      reference: formatReference(reference),
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

  async resolve(reference: Reference, options: RemoteOptions): Promise<Descriptor> {
    const context = this.#context(reference, options);
    return await this.#registries.sources(reference, options).first((registry) => {
      return resolveManifest(registry, reference, context);
    }, { ...context, digest: reference.digest });
  }

  async document(
    reference: Reference,
    options: DocumentOptions,
  ): Promise<ImageDocument<ManifestDocument>> {
    const read = (registry: Registry) => this.documentFrom(registry, reference, options);
    if (options.skipMirrors) return await read(this.#registries.target(reference, options));
    const context = this.#context(reference, options);
    const sources = this.#registries.sources(reference, options);
    return await sources.first(read, { ...context, digest: reference.digest });
  }

  /** Reads a document from one of the sources. */
  async documentFrom(
    registry: Registry,
    reference: Reference,
    options: DocumentOptions,
  ): Promise<ImageDocument<ManifestDocument>> {
    return await readManifest(
      registry,
      reference,
      this.#context(reference, options),
      options.entry,
    );
  }

  blob(
    repository: Repository,
    descriptor: Descriptor,
    options: BlobOptions,
    states: Map<Registry, BlobState> = new Map(),
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { offset = 0 } = options;
    const { digest, size } = descriptor;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > size) {
      throw explainedError(RangeError, {
        code: "invalid-argument",
        action: `read ${digest} from ${offset} on`,
        problem: `"offset" must be within its ${size} bytes`,
        option: "offset",
      });
    }
    if (!isDigest(digest)) throw new UnsupportedDigestError(digest);
    const embedded = embeddedData(descriptor);
    if (embedded !== undefined) return new Blob([embedded.subarray(offset)]).stream();
    const sources = this.#blobSources(repository, descriptor, options, states);
    const onWarning = this.#registries.warner(options);
    return openRemoteBlob(descriptor, sources, { ...options, offset, onWarning });
  }

  /** Sends the request for the first read of a blob. */
  #request(
    repository: Repository,
    descriptor: Descriptor,
    options: BlobOptions,
    lock: Disposable | undefined,
    states: Map<Registry, BlobState>,
  ): Disposable {
    const { length, signal } = options;
    const [source] = this.#blobSources(repository, descriptor, options, states);
    const isRequested = isDigest(descriptor.digest) && embeddedData(descriptor) === undefined;
    if (source === undefined || !isRequested || this.#unread.size >= this.#maxUnread) {
      lock?.[Symbol.dispose]();
      return { [Symbol.dispose]() {} };
    }
    const unread = this.#unread;
    return source.state.early = new EarlyRequest(source, { length, lock, signal, unread });
  }

  /** Maximum number of unread responses: they occupy slots that readers of other blobs need. */
  get #maxUnread(): number {
    return Math.floor((this.#options.maxConnections ?? MAX_CONNECTIONS) / 2);
  }

  async *tags(repository: Repository, options: RemoteOptions): AsyncGenerator<string> {
    const name = formatRepository(repository);
    // A mirror may have only part of the content, so it cannot list the tags.
    const registry = this.#registries.origin(repository, options);
    const { listPages } = await import("./_list_pages.ts");
    yield* listPages(registry, {
      repository: repository.repository,
      path: "tags/list",
      member: "tags",
      task: { action: `list the tags of "${name}"`, subject: name },
      signal: options.signal,
      onWarning: this.#registries.warner(options),
    });
  }

  async referrers(
    reference: Reference,
    options: ReferrersOptions,
  ): Promise<readonly Descriptor[]> {
    const digest = reference.digest ?? (await this.resolve(reference, options)).digest;
    const context = this.#context(reference, options);
    const subject = { ...reference, digest };
    const name = formatReference(subject);
    const task = { action: `list the referrers of "${name}"`, subject: name };
    const { readReferrers } = await import("./_referrers.ts");
    const list = (registry: Registry) => {
      return readReferrers(registry, subject, options.artifactType, { ...context, task });
    };
    const sources = this.#registries.sources(subject, options);
    return await (options.skipMirrors ? list(sources.upstream) : sources.list(list, context));
  }

  async checkCredential(
    registry: string,
    auth: ImagePullAuth,
    options: Omit<RemoteOptions, "auth">,
  ): Promise<boolean> {
    const { checkCredential } = await import("./_check_credential.ts");
    return await checkCredential(this.#registries, registry, auth, {
      ...options,
      onWarning: this.#registries.warner(options),
    });
  }

  /** Writer over the same connections. */
  async writer(): Promise<RegistryWriter> {
    const { RegistryWriter } = await import("./_registry_writer.ts");
    return new RegistryWriter(this.#registries);
  }

  [Symbol.dispose](): void {
    for (const request of this.#unread) request[Symbol.dispose]();
    this.#registries[Symbol.dispose]();
  }

  #context(reference: Reference, options: RemoteOptions): ManifestContext {
    const { maxManifestBytes = MAX_MANIFEST_BYTES, maxLayers = MAX_LAYERS } = this.#options;
    const subject = formatReference(reference);
    return {
      task: { action: `pull "${subject}"`, subject },
      maxBytes: maxManifestBytes,
      maxLayers,
      signal: options.signal,
      onWarning: this.#registries.warner(options),
    };
  }

  /** Returns the sources of a blob in the order in which to try them. */
  #blobSources(
    repository: Repository,
    descriptor: Descriptor,
    options: BlobOptions,
    states: Map<Registry, BlobState>,
  ): readonly RemoteBlobSource[] {
    const { urls = [], digest } = descriptor;
    const action = `pull the blob ${digest} of "${formatRepository(repository)}"`;
    const context = {
      repository: repository.repository,
      task: { action, subject: digest },
      states,
      onWarning: this.#registries.warner(options),
    };
    const sources = this.#registries.contentSources(repository, options);
    const fromRegistry = (options.again ? [sources.upstream] : sources.usable).map((registry) => {
      return registryBlob(registry, sources, descriptor, context);
    });
    const { http, policy } = this.#registries;
    const caCerts = [...(this.#options.caCerts ?? []), ...(options.caCerts ?? [])];
    if (urls.length > MAX_URLS) {
      context.onWarning?.(`Skipping all but the first ${MAX_URLS} URLs of ${digest}`);
    }
    const elsewhere = urls.slice(0, MAX_URLS).flatMap((text) => {
      const url = URL.parse(text);
      const isAnonymous = url?.username === "" && url.password === "";
      if (url?.protocol === "https:" && isAnonymous && !isPrivateAddress(url)) {
        return [foreignBlob({ http, policy, caCerts }, url, context)];
      }
      const shown = redactUrl(text);
      context.onWarning?.(
        `Skipping ${shown} for ${digest}: only public HTTPS servers are allowed`,
      );
      return [];
    });
    return [...fromRegistry, ...elsewhere];
  }
}

/** Loads the code that applies rules. */
async function loadRules(conf: RegistriesConf): Promise<RegistryRules> {
  const { RegistryRules } = await import("../configuration/registry_rules.ts");
  return new RegistryRules(conf);
}
