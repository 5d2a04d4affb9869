import type {
  BeginUploadOptions,
  BlobUpload,
  ContentRange,
  ReferrersQuery,
  WritableRegistryContent,
} from "../../registry/server/registry_content.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { StoredReference } from "../content/layout_index.ts";
import { ContentRecord } from "./_content_record.ts";
import { DocumentLinks } from "./_document_links.ts";
import { DocumentReader } from "./_document_reader.ts";
import { HiddenContent } from "./_hidden_content.ts";
import { RepositoryGraph, type RepositoryRoots } from "./_repository_graph.ts";
import { fullName, type NamedImage, PUSHED_REGISTRY, ServedNames } from "./_served_names.ts";

const BLOB = "application/octet-stream";
/** Name for all repositories combined, which no repository has. */
const EVERYTHING = "";

/** Options for {@linkcode StoreRegistryContent}. */
export interface StoreRegistryContentOptions {
  /**
   * The only registry whose images are served, under their paths alone, such as `library/alpine`
   * for the registry `docker.io`.
   *
   * By default, those of all registries.
   */
  readonly registry?: string | undefined;
}

/**
 * Serves the images of a store and stores pushed images.
 *
 * An image is served under its full name, such as `docker.io/library/alpine`, and under its path
 * alone, `library/alpine`, so that the store can stand in for a registry as its mirror. A port is
 * written with `_` for the colon, which a repository's name cannot have: `localhost_5000/a/b`.
 * Where two registries have the same path, the path alone serves the tags of both. If both have a
 * tag, `localhost` takes precedence, then Docker Hub, then the first registry by name.
 *
 * An image that is pushed to `a/b` gets the name `localhost/a/b` in the store, whatever the client
 * calls this registry: a push never changes the images of another registry. An image that is pushed
 * by digest is recorded as `localhost/a/b@DIGEST` until a pushed index lists it.
 *
 * A repository serves only content that its references lead to and, during the lifetime of this
 * object, content pushed to it. References are read for each request, so newly pulled images are
 * served.
 *
 * Deleting a tag removes every reference that the repository serves as that tag. Deleting a manifest
 * removes every reference to it. The bytes stay until the store is pruned. A blob or manifest that
 * other content of the repository still refers to is hidden until it is pushed again.
 *
 * @example Serve a store with another server
 * ```ts
 * import { pull } from "@x/oci";
 * import { createRegistryHandler } from "@x/oci/registry";
 * import { ContentStore, StoreRegistryContent } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 *
 * const handler = createRegistryHandler(new StoreRegistryContent(store));
 * const response = await handler(new Request("http://localhost/v2/_catalog"));
 *
 * assertEquals((await response.json()).repositories.length, 1);
 * ```
 */
export class StoreRegistryContent implements WritableRegistryContent {
  readonly #store: ContentStore;
  readonly #documents: DocumentReader;
  /** Pushed content that may lack a reference: blobs without a manifest, manifests without a tag. */
  readonly #pushed = new ContentRecord();
  readonly #hidden: HiddenContent;
  readonly #links: DocumentLinks;
  readonly #graph: RepositoryGraph;
  readonly #registry: string | undefined;
  #names: { readonly of: readonly StoredReference[]; readonly names: ServedNames } | undefined;

  /** Creates the content of a store. */
  constructor(store: ContentStore, { registry }: StoreRegistryContentOptions = {}) {
    this.#store = store;
    this.#registry = registry;
    this.#documents = new DocumentReader(store);
    this.#hidden = new HiddenContent(store);
    this.#links = new DocumentLinks(this.#documents);
    this.#graph = new RepositoryGraph(store, this.#links);
  }

  /** Lists the repositories in order, under their full names unless there is only one registry. */
  async repositories(): Promise<readonly string[]> {
    const names = await this.#servedNames();
    return [...new Set([...names.repositories(), ...this.#pushed.repositories()])].sort();
  }

  /** Returns whether the repository has references, or content was pushed to it. */
  async exists(repository: string): Promise<boolean> {
    return this.#pushed.of(repository).length > 0 ||
      (await this.#servedNames()).of(repository).length > 0;
  }

  /** Lists the tags of a repository, in order. */
  async tags(repository: string): Promise<readonly string[]> {
    const tags = (await this.#servedNames()).of(repository).map(tagOf);
    return [...new Set(tags)].filter((tag) => tag !== undefined).sort();
  }

  /**
   * Returns the descriptor of a manifest or index, by tag or digest. The manifests of a stored index
   * may be missing.
   */
  async resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const descriptor = isDigest(tagOrDigest)
      ? (await this.#find(repository, [tagOrDigest], isDocument)).get(tagOrDigest)
      : (await this.#servedNames()).of(repository).find((named) => tagOf(named) === tagOrDigest)
        ?.descriptor;
    if (descriptor === undefined || !isDocument(descriptor)) return undefined;
    return await this.#store.has(descriptor) ? bareDescriptor(descriptor) : undefined;
  }

  /** Returns the size of a manifest or blob in the repository. */
  async size(repository: string, digest: Digest): Promise<number | undefined> {
    return (await this.sizes(repository, [digest])).get(digest);
  }

  /** Returns the sizes of manifests and blobs that the repository has. */
  async sizes(
    repository: string,
    digests: readonly Digest[],
  ): Promise<ReadonlyMap<Digest, number>> {
    const sizes = new Map<Digest, number>();
    const add = async (descriptor: Descriptor | undefined) => {
      if (descriptor === undefined || !await this.#store.has(descriptor)) return;
      sizes.set(descriptor.digest, descriptor.size);
    };
    // Fast path: the check of a pushed manifest looks up each of its blobs.
    for (const digest of digests) await add(this.#pushed.get(repository, digest));
    const rest = digests.filter((digest) => !sizes.has(digest));
    if (rest.length === 0) return sizes;
    for (const descriptor of (await this.#find(repository, rest)).values()) await add(descriptor);
    return sizes;
  }

  /**
   * Opens the bytes of a manifest or blob that the repository has.
   *
   * @throws {Deno.errors.NotFound} If the repository does not have it.
   */
  async open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    if (await this.size(repository, digest) === undefined) {
      throw new Deno.errors.NotFound(`Cannot open ${digest}: "${repository}" does not have it`);
    }
    return await this.#store.openBlob(digest, range);
  }

  /** Lists the descriptors of manifests with a digest as their `subject`. */
  async referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    return await Array.fromAsync(this.eachReferrer(repository, digest));
  }

  /** Yields the descriptors of manifests with a digest as their `subject`, one at a time. */
  async *eachReferrer(
    repository: string,
    digest: Digest,
    { artifactType, after }: ReferrersQuery = {},
  ): AsyncGenerator<Descriptor> {
    const all = await this.#graph.referrers(await this.#repository(repository), digest);
    const found = after === undefined ? all : all.filter((item) => item.digest > after)
      .sort((a, b) => a.digest < b.digest ? -1 : 1);
    for (const descriptor of found) {
      const referrer = await this.#links.referrer(descriptor, artifactType);
      if (referrer !== undefined) yield referrer;
    }
  }

  /** Begins the upload of a blob. */
  async beginUpload(repository: string, options: BeginUploadOptions = {}): Promise<BlobUpload> {
    const upload = await this.#store.beginUpload({ algorithm: options.algorithm });
    return {
      get size() {
        return upload.size;
      },
      write: (chunk) => upload.write(chunk),
      commit: async (digest) => {
        const { size } = upload;
        await upload.commit(digest);
        await this.#addPushed(repository, { mediaType: BLOB, digest, size });
      },
      cancel: () => upload[Symbol.asyncDispose](),
    };
  }

  /** Mounts a blob of one repository into another. */
  async mount(repository: string, digest: Digest, from?: string): Promise<boolean> {
    if (!await this.#store.has(digest)) return false;
    const source = from === undefined ? await this.#everything() : await this.#repository(from);
    const descriptor = (await this.#graph.find(source, [digest])).get(digest);
    if (descriptor === undefined || !await this.#store.has(descriptor)) return false;
    await this.#addPushed(repository, bareDescriptor(descriptor));
    return true;
  }

  /** Stores a manifest or an index and points tags to it. */
  async putManifest(
    repository: string,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    tags: readonly string[],
  ): Promise<void> {
    await this.#store.putBytes(descriptor, bytes);
    const base = `${PUSHED_REGISTRY}/${repository}`;
    const names = tags.length === 0
      ? [`${base}@${descriptor.digest}`]
      : tags.map((tag) => `${base}:${tag}`);
    await this.#store.record(names.map((name) => ({ name, descriptor })));
    await this.#addPushed(repository, descriptor);
    const document = await this.#documents.read(descriptor);
    if (document?.kind !== "index") return;
    // The index references them now.
    await this.#untag(document.value.manifests.map(({ digest }) => `${base}@${digest}`));
  }

  /** Deletes a tag but not its manifest. */
  async deleteTag(repository: string, tag: string): Promise<boolean> {
    const named = (await this.#servedNames()).of(repository);
    return await this.#untag(
      named.filter((image) => tagOf(image) === tag).map(({ name }) => name),
    );
  }

  /** Deletes a manifest or index and every tag that points to it. */
  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    if (await this.resolve(repository, digest) === undefined) return false;
    const named = (await this.#servedNames()).of(repository);
    await this.#untag(
      named.filter(({ descriptor }) => descriptor.digest === digest).map(({ name }) => name),
    );
    await this.#hide(repository, digest);
    return true;
  }

  /** Deletes a blob that is neither a manifest nor an index. */
  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const descriptor = (await this.#find(repository, [digest], isDocument)).get(digest);
    if (descriptor === undefined || isDocument(descriptor)) return false;
    const isThere = await this.#store.has(descriptor);
    await this.#hide(repository, digest);
    return isThere;
  }

  async #addPushed(repository: string, descriptor: Descriptor): Promise<void> {
    this.#pushed.add(repository, descriptor);
    if (!isDocument(descriptor)) {
      for (const name of [repository, EVERYTHING]) this.#graph.addBlob(name, descriptor);
    }
    await this.#hidden.delete(repository, descriptor.digest);
  }

  async #hide(repository: string, digest: Digest): Promise<void> {
    this.#pushed.delete(repository, digest);
    await this.#hidden.add(repository, digest);
  }

  async #untag(names: readonly string[]): Promise<boolean> {
    if (names.length === 0) return false;
    const known = new Set((await this.#store.references()).map(({ name }) => name));
    const found = names.filter((name) => known.has(name));
    return found.length > 0 && (await this.#store.untag(found)).length > 0;
  }

  async #servedNames(): Promise<ServedNames> {
    const references = await this.#store.references();
    if (this.#names?.of !== references) {
      const names = new ServedNames(references, this.#registry);
      this.#names = { of: references, names };
    }
    return this.#names.names;
  }

  async #find(
    repository: string,
    digests: readonly Digest[],
    isFound?: (descriptor: Descriptor) => boolean,
  ): Promise<ReadonlyMap<Digest, Descriptor>> {
    const stored: Digest[] = [];
    // To find out that a repository lacks content, all of its documents would be read.
    for (const digest of digests) if (await this.#store.has(digest)) stored.push(digest);
    if (stored.length === 0) return new Map();
    return await this.#graph.find(await this.#repository(repository), stored, isFound);
  }

  async #repository(name: string): Promise<RepositoryRoots> {
    const names = await this.#servedNames();
    const hiddenName = this.#registry === undefined
      ? name
      : fullName({ registry: this.#registry, repository: name });
    return {
      name,
      roots: [...this.#pushed.of(name), ...names.of(name).map(({ descriptor }) => descriptor)],
      isHidden: (digest) => this.#hidden.has(hiddenName, digest),
      version: [names, this.#pushed.documents],
      removals: [this.#pushed.removals, this.#hidden.version],
    };
  }

  /** Returns all repositories combined into one. */
  async #everything(): Promise<RepositoryRoots> {
    const names = await this.#servedNames();
    return {
      name: EVERYTHING,
      roots: [...names.all.map(({ descriptor }) => descriptor), ...this.#pushed.all()],
      isHidden: () => false,
      version: [names, this.#pushed.documents],
      removals: [this.#pushed.removals],
    };
  }
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isDocumentMediaType(mediaType);
}

/** Returns the tag of a name. A tag next to a digest is only informational and does not count. */
function tagOf({ reference: { tag, digest } }: NamedImage): string | undefined {
  return digest === undefined ? tag : undefined;
}
