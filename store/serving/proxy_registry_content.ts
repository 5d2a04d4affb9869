import type { RemoteClient } from "../../registry/client/remote_client.ts";
import { NetworkError, NotFoundError, RegistryError } from "../../registry/errors.ts";
import type { Reference } from "../../registry/reference.ts";
import type { ContentRange, RegistryContent } from "../../registry/server/registry_content.ts";
import { eitherSignal } from "../../registry/tasks/abortable.ts";
import { SingleFlight } from "../../registry/tasks/single_flight.ts";
import { startTimer } from "../../registry/tasks/timer.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { childrenOf } from "../../spec/image/children.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { partPath } from "../downloads/ingest.ts";
import { BlobRelay } from "./_blob_relay.ts";
import { ContentRecord } from "./_content_record.ts";
import { DocumentReader } from "./_document_reader.ts";
import { ServedContent } from "./_served_content.ts";
import { UnfinishedImages } from "./_unfinished_images.ts";
import { StoreRegistryContent } from "./store_registry_content.ts";

/** Operations of the client for the upstream registry. */
export type ProxyClient = Pick<
  RemoteClient,
  "resolve" | "document" | "blob" | "findBlob" | "tags" | "referrers"
>;

/** The registry behind a proxy. */
export interface ProxyUpstream {
  /** Name of the registry in references, such as `docker.io` or `127.0.0.1:5000`. */
  readonly registry: string;
  /** Prefix of each repository path on the upstream registry, such as `mirrors`. */
  readonly prefix?: string | undefined;
}

/** Options for {@linkcode ProxyRegistryContent}. */
export interface ProxyRegistryContentOptions {
  /** Called with each non-fatal problem, such as an upstream registry that does not answer. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Aborts every download. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Time in milliseconds that the upstream registry has to respond to a request for a tag or a list
   * if the store can answer the request as well.
   *
   * @default {5_000}
   */
  readonly upstreamTimeoutMs?: number | undefined;
}

const UPSTREAM_TIMEOUT_MS = 5_000;
/** Time in milliseconds after a failure of upstream during which only the store answers. */
const OUTAGE_MS = 10_000;
/** Time in milliseconds after which a client receives an error if upstream does not respond. */
const PATIENCE_MS = 20_000;

/**
 * A pull-through cache: serves the content of another registry and keeps it in a store.
 *
 * Every tag is resolved on the upstream registry. If that fails or takes too long, the stored
 * content is served, with a warning, and without another attempt for ten seconds. Content is
 * fetched once by digest, and passed to all clients while it is verified and stored. A complete
 * image is named in the store, as if it had been pulled.
 *
 * A repository serves only content that the upstream registry serves to this client, or that the
 * store has under a name of the upstream registry.
 *
 * @example Serve images of another registry
 * ```ts
 * import { copy, pull } from "@x/oci";
 * import { RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { ContentStore, ProxyRegistryContent } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * await copy("alpine:3.20", "localhost:5000/alpine:3.20");
 *
 * using client = new RemoteClient();
 * const store = await ContentStore.open("./store");
 * const content = new ProxyRegistryContent(store, client, { registry: "localhost:5000" });
 * await using registry = await serveRegistry(content);
 * const image = await pull(`${registry.host}/alpine:3.20`, { store: "./pulled" });
 *
 * assert(await store.has(image.digest));
 * ```
 */
export class ProxyRegistryContent implements RegistryContent {
  /** Names the registry that it caches. */
  readonly readOnlyReason: string;
  readonly #store: ContentStore;
  readonly #client: ProxyClient;
  readonly #upstream: ProxyUpstream;
  readonly #options: ProxyRegistryContentOptions;
  readonly #local: StoreRegistryContent;
  readonly #documents: DocumentReader;
  /** Content that the upstream registry or its documents have described to this client. */
  readonly #seen = new ContentRecord();
  /** Documents whose content is in `#seen`, or that could not be read. */
  readonly #expanded = new ContentRecord();
  readonly #served: ServedContent;
  /** Current downloads of blobs. */
  readonly #relays = new Map<string, BlobRelay>();
  readonly #unfinished: UnfinishedImages;
  /** Current downloads of documents. */
  readonly #fetches = new SingleFlight();
  /** Time until which the store answers alone, if it can. */
  #outageEnd = 0;

  /** Creates a cache in `store` of the content that `client` fetches from `upstream`. */
  constructor(
    store: ContentStore,
    client: ProxyClient,
    upstream: ProxyUpstream,
    options: ProxyRegistryContentOptions = {},
  ) {
    this.#store = store;
    this.#client = client;
    this.#upstream = upstream;
    this.readOnlyReason = `it is a cache of ${upstream.registry}`;
    this.#options = options;
    // A pushed image may have the same path as an image of the upstream registry.
    this.#local = new StoreRegistryContent(store, { registry: upstream.registry });
    this.#documents = new DocumentReader(store);
    this.#served = new ServedContent({
      isStored: async (repository, digest) => {
        return await this.#local.size(this.#path(repository), digest) !== undefined;
      },
      findBlob: (repository, digest) => this.#findBlob(repository, digest),
    });
    this.#unfinished = new UnfinishedImages(
      store,
      this.#documents,
      client,
      options.signal,
      this.#served,
    );
  }

  /** Lists the stored repositories of the upstream registry, in order. */
  async repositories(): Promise<readonly string[]> {
    const start = this.#path("");
    const names = (await this.#local.repositories()).filter((name) => name.startsWith(start))
      .map((name) => name.slice(start.length));
    return [...new Set([...names, ...this.#seen.repositories()])].sort();
  }

  /** Lists the tags of an upstream repository, or the stored ones if upstream does not respond. */
  async tags(repository: string): Promise<readonly string[]> {
    return await this.#ask(
      (signal) => Array.fromAsync(this.#client.tags(this.#reference(repository), { signal })),
      () => this.#local.tags(this.#path(repository)),
    ) ?? [];
  }

  /** Returns the descriptor of a manifest or index, by tag or digest. */
  async resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const name = this.#path(repository);
    const known = isDigest(tagOrDigest) ? this.#seen.get(repository, tagOrDigest) : undefined;
    // A client may have requested the document as a blob before.
    if (known !== undefined && isDocumentMediaType(known.mediaType)) return known;
    const stored = isDigest(tagOrDigest) ? await this.#local.resolve(name, tagOrDigest) : undefined;
    if (stored !== undefined) return stored;
    const reference = this.#reference(repository, tagOrDigest);
    const found = await this.#ask(
      (signal) => this.#client.resolve(reference, { signal }),
      () => this.#local.resolve(name, tagOrDigest),
    );
    if (found === undefined) return undefined;
    const descriptor = bareDescriptor(found);
    this.#seen.add(repository, descriptor);
    this.#served.add(repository, descriptor);
    await this.#unfinished.add(repository, reference, descriptor);
    return descriptor;
  }

  /** Returns the size of a manifest or blob in the repository. */
  async size(repository: string, digest: Digest): Promise<number | undefined> {
    const known = this.#seen.get(repository, digest)?.size ??
      await this.#local.size(this.#path(repository), digest);
    if (known !== undefined) return known;
    // A client may have fetched the manifest long ago, so its blobs may be unknown.
    for (const document of this.#seen.of(repository)) {
      const isExpanded = this.#expanded.get(repository, document.digest) !== undefined;
      if (isExpanded || !isDocumentMediaType(document.mediaType)) continue;
      this.#expanded.add(repository, document);
      // A document that cannot be read does not affect the blobs of others.
      await this.#fetchDocument(repository, document).catch(() => {});
    }
    const listed = this.#seen.get(repository, digest);
    if (listed !== undefined) return listed.size;
    // The client may also have the manifest from an earlier run of this proxy.
    const found = await this.#findBlob(repository, digest);
    if (found === undefined) return undefined;
    this.#seen.add(repository, found);
    this.#served.add(repository, found);
    return found.size;
  }

  async #findBlob(repository: string, digest: Digest): Promise<Descriptor | undefined> {
    return await this.#ask(
      (signal) => this.#client.findBlob(this.#reference(repository), digest, { signal }),
      () => Promise.resolve(undefined),
    );
  }

  /**
   * Opens the bytes of a manifest or blob, and stores new bytes as they pass.
   *
   * @throws {Deno.errors.NotFound} If the repository does not have it.
   */
  async open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const descriptor = this.#seen.get(repository, digest);
    if (descriptor === undefined) {
      return await this.#local.open(this.#path(repository), digest, range);
    }
    if (isDocumentMediaType(descriptor.mediaType)) {
      await this.#fetchDocument(repository, descriptor);
    } else if (!await this.#store.has(descriptor)) {
      return await this.#relay(repository, descriptor, range);
    } else {
      await this.#served.confirm(repository, descriptor);
      // Another process may have stored it.
      await this.#unfinished.arrived(digest);
    }
    return await this.#store.openBlob(digest, range);
  }

  /** Lists the descriptors of manifests with a digest as their `subject`. */
  async referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    const stored = await this.#local.referrers(this.#path(repository), digest);
    // While upstream is unreachable, the list of a mirror may lack some of them.
    const skipMirrors = stored.length > 0;
    const reference = this.#reference(repository, digest);
    return await this.#ask(
      (signal) => this.#client.referrers(reference, { signal, skipMirrors }),
      () => Promise.resolve(stored),
    ) ?? [];
  }

  /** Returns `true`: only upstream knows whether a repository exists, and tag lists may be long. */
  exists(): Promise<boolean> {
    return Promise.resolve(true);
  }

  /**
   * Queries upstream, else the store.
   *
   * @returns The answer; `undefined` if upstream does not have the content.
   */
  async #ask<T>(
    upstream: (signal: AbortSignal) => Promise<T>,
    local: () => Promise<T>,
  ): Promise<T | undefined> {
    const { signal, onWarning, upstreamTimeoutMs = UPSTREAM_TIMEOUT_MS } = this.#options;
    const stored = await local();
    const isStored = stored !== undefined && !(Array.isArray(stored) && stored.length === 0);
    if (isStored && performance.now() < this.#outageEnd) return stored;
    const stop = new AbortController();
    const patienceMs = isStored ? upstreamTimeoutMs : PATIENCE_MS;
    using _timer = startTimer(patienceMs, () => stop.abort(this.#timeoutError(patienceMs)));
    try {
      const answer = await upstream(eitherSignal(signal, stop.signal));
      this.#outageEnd = 0;
      return answer;
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      const isOutage = error instanceof NetworkError ||
        error instanceof RegistryError && (error.status >= 500 || error.status === 429);
      if (!isOutage || !isStored) throw error;
      this.#outageEnd = performance.now() + OUTAGE_MS;
      onWarning?.(`Serving stored content: ${describeError(error)}`);
      return stored;
    }
  }

  async #fetchDocument(repository: string, descriptor: Descriptor): Promise<void> {
    const { signal } = this.#options;
    await this.#waitFor(this.#fetches.run(`${repository}@${descriptor.digest}`, {
      find: async () => {
        const isStored = await this.#store.has(descriptor);
        return isStored && await this.#served.has(repository, descriptor) || undefined;
      },
      work: async () => {
        const reference = this.#reference(repository, descriptor.digest);
        const { bytes } = await this.#client.document(reference, { signal });
        await this.#store.putBytes(descriptor, bytes, signal);
        this.#served.add(repository, descriptor);
        return true;
      },
      signal,
    })).catch((error) => {
      this.#forgetMismatch(repository, descriptor.digest, error);
      throw error;
    });
    const document = await this.#documents.read(descriptor);
    for (const child of childrenOf(document)) this.#seen.add(repository, child);
    this.#expanded.add(repository, descriptor);
    await this.#unfinished.arrived(descriptor.digest);
  }

  /** Opens a blob while it is downloaded, once for all clients that request it during that time. */
  async #relay(
    repository: string,
    descriptor: Descriptor,
    range: ContentRange | undefined,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const key = `${repository}@${descriptor.digest} ${descriptor.size}`;
    const relay = this.#relays.get(key) ?? this.#download(key, repository, descriptor);
    const stream = relay.read(range);
    // Until the first bytes arrive, a failure can be reported as an error response.
    try {
      await this.#waitFor(relay.ready);
    } catch (error) {
      await stream.cancel(error);
      throw error;
    }
    return stream;
  }

  #download(key: string, repository: string, descriptor: Descriptor): BlobRelay {
    const stop = new AbortController();
    const { signal } = this.#options;
    const { digest, size } = descriptor;
    const end = () => this.#relays.get(key) === relay && this.#relays.delete(key);
    const relay = new BlobRelay({
      size,
      paths: [partPath(this.#store.path, digest), this.#store.blobPath(digest)],
      onAbandoned: () => {
        end();
        stop.abort();
      },
    });
    this.#relays.set(key, relay);
    const reference = this.#reference(repository);
    this.#store.ingest(
      descriptor,
      (options) => this.#client.blob(reference, descriptor, options),
      { follower: relay, signal: eitherSignal(signal, stop.signal) },
    ).then(async () => {
      this.#served.add(repository, descriptor);
      await this.#unfinished.arrived(digest);
      relay.finish();
    }).catch((error) => {
      this.#forgetMismatch(repository, digest, error);
      // Earlier failures are reported as error responses.
      if (relay.hasStarted && !stop.signal.aborted) this.#options.onWarning?.(describeError(error));
      relay.fail(error);
    }).finally(end);
    return relay;
  }

  /** Waits for upstream, but not longer than clients usually do. */
  async #waitFor<T>(pending: Promise<T>): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    pending.then(resolve, reject);
    using _timer = startTimer(PATIENCE_MS, () => reject(this.#timeoutError(PATIENCE_MS)));
    return await promise;
  }

  #timeoutError(ms: number): NetworkError {
    const { registry } = this.#upstream;
    return new NetworkError(`${registry} did not respond within ${ms / 1000} s`, {
      action: `reach "${registry}"`,
      reason: "stalled",
      url: `https://${registry}/v2/`,
    });
  }

  /** Forgets content whose size or digest was wrong: the document that references it may be wrong. */
  #forgetMismatch(repository: string, digest: Digest, error: unknown): void {
    if (!(error instanceof DigestMismatchError)) return;
    this.#seen.delete(repository, digest);
    this.#expanded.delete(repository, digest);
  }

  /** Returns the upstream reference of a repository, tag or digest. */
  #reference(repository: string, tagOrDigest?: string): Reference {
    const { registry } = this.#upstream;
    const name = { registry, repository: this.#path(repository) };
    if (tagOrDigest === undefined) return { ...name, tag: "latest" };
    return isDigest(tagOrDigest) ? { ...name, digest: tagOrDigest } : { ...name, tag: tagOrDigest };
  }

  /** Returns the path of a repository on the upstream registry. */
  #path(repository: string): string {
    const { prefix } = this.#upstream;
    return prefix === undefined ? repository : `${prefix}/${repository}`;
  }
}
