import type { RemoteClient } from "../../registry/client/remote_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { BlobSource } from "../downloads/ingest_options.ts";
import type { DocumentReader } from "./_document_reader.ts";
import type { ServedContent } from "./_served_content.ts";

/** An image that clients have requested from a proxy. */
interface RequestedImage {
  /** Repository in the requests of clients. */
  readonly repository: string;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  /** Content that it waits for, any of which may complete it. */
  missing: readonly Digest[];
}

/** Maximum number of names that wait for their blobs. */
const MAX_IMAGES = 1_000;
/** Maximum size of a config that is fetched although no client has requested it. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * Images of a proxy that are named in the store as soon as they are complete. An incomplete image
 * waits for content, and is only checked again when some of it has arrived.
 */
export class UnfinishedImages {
  readonly #store: ContentStore;
  readonly #documents: DocumentReader;
  readonly #client: Pick<RemoteClient, "blob">;
  readonly #signal: AbortSignal | undefined;
  readonly #served: Pick<ServedContent, "mayName">;
  readonly #images = new Map<string, RequestedImage>();
  /** Names of the images that wait for content, by its digest. */
  readonly #waiting = new Map<Digest, Set<string>>();
  /** The digests that have arrived during each running check. */
  readonly #checks = new Set<Set<Digest>>();
  /** Configs that have been fetched or could not be fetched. */
  readonly #configs = new Set<Digest>();

  constructor(
    store: ContentStore,
    documents: DocumentReader,
    client: Pick<RemoteClient, "blob">,
    signal: AbortSignal | undefined,
    served: Pick<ServedContent, "mayName">,
  ) {
    this.#served = served;
    this.#store = store;
    this.#documents = documents;
    this.#client = client;
    this.#signal = signal;
  }

  /** Adds an image, and names it if it is complete. */
  async add(repository: string, reference: Reference, descriptor: Descriptor): Promise<void> {
    const name = formatReference(reference);
    this.#remove(name);
    if ((await this.#store.resolve(name))?.digest === descriptor.digest) return;
    this.#images.set(name, { repository, reference, descriptor, missing: [] });
    const [oldest] = this.#images.keys();
    if (this.#images.size > MAX_IMAGES && oldest !== undefined) this.#remove(oldest);
    await this.#check(name);
  }

  /** Names the images that have become complete because this content has arrived. */
  async arrived(digest: Digest): Promise<void> {
    for (const seen of this.#checks) seen.add(digest);
    const failures: unknown[] = [];
    for (const name of [...this.#waiting.get(digest) ?? []]) {
      await this.#check(name).catch((error) => failures.push(error));
    }
    if (failures.length > 0) throw failures[0];
  }

  #remove(name: string): void {
    this.#wait(name, []);
    this.#images.delete(name);
  }

  /** Makes an image wait for content, and for nothing else. */
  #wait(name: string, missing: readonly Digest[]): void {
    const image = this.#images.get(name);
    if (image === undefined) return;
    for (const digest of image.missing) {
      const names = this.#waiting.get(digest);
      names?.delete(name);
      if (names?.size === 0) this.#waiting.delete(digest);
    }
    image.missing = missing;
    for (const digest of missing) {
      this.#waiting.getOrInsertComputed(digest, () => new Set()).add(name);
    }
  }

  /** Names an image if it is complete. */
  async #check(name: string): Promise<void> {
    const image = this.#images.get(name);
    if (image === undefined) return;
    const seen = new Set<Digest>();
    this.#checks.add(seen);
    let missing: readonly Digest[];
    try {
      missing = await this.#missing(image, image.descriptor, new Map());
    } finally {
      this.#checks.delete(seen);
    }
    // Another request may have replaced or named it.
    if (this.#images.get(name) !== image) return;
    if (missing.some((digest) => seen.has(digest))) return await this.#check(name);
    this.#wait(name, missing);
    if (missing.length > 0) return;
    this.#remove(name);
    await this.#store.tag(name, image.descriptor, this.#signal);
  }

  /**
   * Returns missing content: the image, or every image of an index, stays incomplete until some of
   * it arrives. Returns none if the image, or one of an index, is complete.
   *
   * @param known Results so far: indexes may list the same content any number of times.
   */
  #missing(
    image: RequestedImage,
    descriptor: Descriptor,
    known: Map<string, Promise<readonly Digest[]>>,
  ): Promise<readonly Digest[]> {
    const { mediaType, digest, size } = descriptor;
    const key = JSON.stringify([mediaType, digest, size]);
    return known.getOrInsertComputed(key, () => this.#findMissing(image, descriptor, known));
  }

  async #findMissing(
    image: RequestedImage,
    descriptor: Descriptor,
    known: Map<string, Promise<readonly Digest[]>>,
  ): Promise<readonly Digest[]> {
    const { repository, reference } = image;
    const itself = [descriptor.digest];
    if (!await this.#store.has(descriptor)) return itself;
    // The store may have it from elsewhere, while the upstream registry only references it.
    if (!await this.#served.mayName(repository, descriptor)) return itself;
    if (!isDocumentMediaType(descriptor.mediaType)) return [];
    const document = await this.#documents.read(descriptor);
    if (document === undefined) return itself;
    const { kind, value } = document;
    const children = kind === "index" ? value.manifests : value.layers;
    const missing = await Promise.all(children.map((child) => this.#missing(image, child, known)));
    if (kind === "index") {
      if (missing.some(({ length }) => length === 0)) return [];
      const all = new Set(itself);
      // Equal entries have the same list.
      for (const digests of new Set(missing)) for (const digest of digests) all.add(digest);
      return [...all];
    }
    const first = missing.find(({ length }) => length > 0);
    if (first !== undefined) return first;
    return await this.#fetchConfig(repository, reference, value.config)
      ? []
      : [value.config.digest];
  }

  /** Fetches a config, which clients of artifacts do not request; returns whether it is stored. */
  async #fetchConfig(
    repository: string,
    reference: Reference,
    config: Descriptor,
  ): Promise<boolean> {
    if (await this.#store.has(config)) return await this.#served.mayName(repository, config);
    if (this.#configs.has(config.digest) || config.size > MAX_CONFIG_BYTES) return false;
    this.#configs.add(config.digest);
    const open: BlobSource = (options) => this.#client.blob(reference, config, options);
    try {
      await this.#store.ingest(config, open, { signal: this.#signal });
      await this.arrived(config.digest);
      return true;
    } catch {
      // A client that requests the config receives the error.
      return false;
    }
  }
}
