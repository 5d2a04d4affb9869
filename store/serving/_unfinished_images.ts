import type { RemoteClient } from "../../registry/client/remote_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { BlobSource } from "../content/ingest.ts";
import type { DocumentReader } from "./_document_reader.ts";
import type { ServedContent } from "./_served_content.ts";

/** An image that clients have requested from a proxy. */
interface RequestedImage {
  /** Repository in the requests of clients. */
  readonly repository: string;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/** Maximum number of names that wait for their blobs. */
const MAX_IMAGES = 1_000;
/** Maximum size of a config that is fetched although no client has requested it. */
const MAX_CONFIG_BYTES = 1024 * 1024;

/** Images of a proxy that are named in the store as soon as they are complete. */
export class UnfinishedImages {
  readonly #store: ContentStore;
  readonly #documents: DocumentReader;
  readonly #client: Pick<RemoteClient, "blob">;
  readonly #signal: AbortSignal | undefined;
  readonly #served: Pick<ServedContent, "mayName">;
  readonly #images = new Map<string, RequestedImage>();
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
    this.#images.delete(name);
    if ((await this.#store.resolve(name))?.digest === descriptor.digest) return;
    this.#images.set(name, { repository, reference, descriptor });
    const [oldest] = this.#images.keys();
    if (this.#images.size > MAX_IMAGES && oldest !== undefined) this.#images.delete(oldest);
    await this.settle();
  }

  /** Names the images that have become complete. */
  async settle(): Promise<void> {
    for (const [name, image] of this.#images) {
      if (!await this.#isComplete(image, new Map())) continue;
      this.#images.delete(name);
      await this.#store.tag(name, image.descriptor, this.#signal);
    }
  }

  /**
   * Returns whether an image, or at least one image of an index, is complete.
   *
   * @param known Results so far: indexes may list the same content any number of times.
   */
  #isComplete(image: RequestedImage, known: Map<string, Promise<boolean>>): Promise<boolean> {
    const { mediaType, digest, size } = image.descriptor;
    const key = JSON.stringify([mediaType, digest, size]);
    return known.getOrInsertComputed(key, () => this.#check(image, known));
  }

  async #check(
    { repository, reference, descriptor }: RequestedImage,
    known: Map<string, Promise<boolean>>,
  ): Promise<boolean> {
    if (!await this.#store.has(descriptor)) return false;
    // The store may have it from elsewhere, while the upstream registry only references it.
    if (!await this.#served.mayName(repository, descriptor)) return false;
    if (!isDocumentMediaType(descriptor.mediaType)) return true;
    const document = await this.#documents.read(descriptor);
    if (document === undefined) return false;
    const { kind, value } = document;
    const children = kind === "index" ? value.manifests : value.layers;
    const complete = await Promise.all(
      children.map((child) =>
        this.#isComplete({ repository, reference, descriptor: child }, known)
      ),
    );
    if (kind === "index") return complete.includes(true);
    return !complete.includes(false) &&
      await this.#bringConfig(repository, reference, value.config);
  }

  /** Fetches a config, which clients of artifacts do not request; returns whether it is stored. */
  async #bringConfig(
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
      return true;
    } catch {
      // A client that requests the config receives the error.
      return false;
    }
  }
}
