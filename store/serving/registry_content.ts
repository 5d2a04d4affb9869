import { formatReference, type Reference } from "../../registry/reference.ts";
import { referrerDescriptor } from "../../registry/referrers.ts";
import type {
  BeginUploadOptions,
  BlobUpload,
  ContentRange,
  WritableRegistryContent,
} from "../../registry/registry_content.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_INDEX_DEPTH } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { parseStoredName } from "../content/layout_index.ts";
import { DocumentReader } from "./_document_reader.ts";
import { HiddenContent } from "./_hidden_content.ts";
import { PushedContent } from "./_pushed_content.ts";

/** A served repository. */
interface Repository {
  readonly name: string;
  readonly tags: Map<string, Descriptor>;
  readonly roots: Descriptor[];
}

/** A reference of the store. */
interface Named {
  readonly name: string;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
}

/** Registry in the names of pushed images. */
const PUSHED_REGISTRY = "localhost";
const BLOB = "application/octet-stream";

/** Options for {@linkcode StoreRegistryContent}. */
export interface StoreRegistryContentOptions {
  /**
   * The only registry whose images are served, under their paths alone, such as `library/alpine`
   * for the registry `docker.io`.
   *
   * @default {undefined} All registries.
   */
  readonly registry?: string | undefined;
}

/**
 * Serves the images of a store and stores pushed images.
 *
 * An image is served under its full name, such as `docker.io/library/alpine`, and under its path
 * alone, `library/alpine`, so that the store can stand in for a registry as its mirror. A port is
 * written with `_` for the colon, which a repository's name cannot have: `localhost_5000/a/b`.
 * Where two registries have the same path, the path alone serves the tags of both; a tag that both
 * have is that of `localhost`, else of Docker Hub, else of the registry whose name comes first.
 *
 * An image that is pushed to `a/b` gets the name `localhost/a/b` in the store, whatever the client
 * calls this registry: a push never changes what the store has of another registry. An image that
 * is pushed by digest is recorded as `localhost/a/b@DIGEST` until an index that is pushed lists it.
 *
 * A repository serves only content that its references lead to and, during the lifetime of this
 * object, content pushed to it. References are read for each request, so newly pulled images are
 * served.
 *
 * A deletion removes references: of a tag, every one that the repository serves as that tag; of a
 * manifest, every one that stands for it. The bytes stay until the store is pruned. A blob or
 * manifest that something else in the repository still refers to is hidden until it is pushed
 * again.
 *
 * @example Serve a store
 * ```ts
 * import { createRegistryHandler } from "@x/oci/registry";
 * import { ContentStore, StoreRegistryContent } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(directory);
 * const handler = createRegistryHandler(new StoreRegistryContent(store));
 * const response = await handler(new Request("http://localhost/v2/_catalog"));
 *
 * assertEquals(await response.json(), { repositories: [] });
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class StoreRegistryContent implements WritableRegistryContent {
  readonly #store: ContentStore;
  readonly #documents: DocumentReader;
  readonly #pushed = new PushedContent();
  readonly #hidden: HiddenContent;
  readonly #registry: string | undefined;

  /** Creates the content of a store. */
  constructor(store: ContentStore, { registry }: StoreRegistryContentOptions = {}) {
    this.#store = store;
    this.#registry = registry;
    this.#documents = new DocumentReader(store);
    this.#hidden = new HiddenContent(store);
  }

  /** Lists the repositories in order, under their full names unless there is only one registry. */
  async repositories(): Promise<readonly string[]> {
    const references = await this.#references();
    const names = references.map(({ reference }) => {
      return this.#registry === undefined ? listedName(reference) : reference.repository;
    });
    return [...new Set([...names, ...this.#pushed.repositories()])].sort();
  }

  /** Lists the tags of a repository, in order. */
  async tags(repository: string): Promise<readonly string[]> {
    return [...(await this.#repository(repository)).tags.keys()].sort();
  }

  /** Returns the descriptor of a manifest or index, by tag or digest. */
  async resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const found = await this.#repository(repository);
    const descriptor = isDigest(tagOrDigest)
      ? (await this.#reachable(found)).get(tagOrDigest)
      : found.tags.get(tagOrDigest);
    return descriptor !== undefined && isDocumentMediaType(descriptor.mediaType)
      ? plain(descriptor)
      : undefined;
  }

  /** Returns the size of a manifest or blob in the repository. */
  async size(repository: string, digest: Digest): Promise<number | undefined> {
    // Fast path: the check of a pushed manifest asks for each of its blobs.
    const pushed = this.#pushed.get(repository, digest);
    if (pushed !== undefined && await this.#store.has(pushed)) return pushed.size;
    const reachable = await this.#reachable(await this.#repository(repository));
    const descriptor = reachable.get(digest);
    return descriptor !== undefined && await this.#store.has(descriptor)
      ? descriptor.size
      : undefined;
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
    const found = await this.#repository(repository);
    const referrers: Descriptor[] = [];
    for (const descriptor of (await this.#reachable(found)).values()) {
      const document = await this.#documents.read(descriptor);
      if (document?.value.subject?.digest !== digest) continue;
      referrers.push(referrerDescriptor(descriptor, document));
    }
    return referrers;
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
    const source = from === undefined ? await this.#everything() : await this.#repository(from);
    const descriptor = (await this.#reachable(source)).get(digest);
    if (descriptor === undefined || !await this.#store.has(descriptor)) return false;
    await this.#addPushed(repository, plain(descriptor));
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
    for (const name of names) await this.#store.tag(name, descriptor);
    await this.#addPushed(repository, descriptor);
    const document = await this.#documents.read(descriptor);
    if (document?.kind !== "index") return;
    // The index references them now.
    await this.#untag(document.value.manifests.map(({ digest }) => `${base}@${digest}`));
  }

  /** Deletes a tag but not its manifest. */
  async deleteTag(repository: string, tag: string): Promise<boolean> {
    const named = await this.#named(repository);
    return await this.#untag(
      named.filter(({ reference }) => reference.tag === tag && reference.digest === undefined)
        .map(({ name }) => name),
    );
  }

  /** Deletes a manifest or index and every tag that points to it. */
  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    if (await this.resolve(repository, digest) === undefined) return false;
    const named = await this.#named(repository);
    await this.#untag(
      named.filter(({ descriptor }) => descriptor.digest === digest).map(({ name }) => name),
    );
    await this.#hide(repository, digest);
    return true;
  }

  /** Deletes a blob that is neither a manifest nor an index. */
  async deleteBlob(repository: string, digest: Digest): Promise<boolean> {
    const reachable = await this.#reachable(await this.#repository(repository));
    const descriptor = reachable.get(digest);
    if (descriptor === undefined || isDocumentMediaType(descriptor.mediaType)) return false;
    const isThere = await this.#store.has(descriptor);
    await this.#hide(repository, digest);
    return isThere;
  }

  async #addPushed(repository: string, descriptor: Descriptor): Promise<void> {
    this.#pushed.add(repository, descriptor);
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

  async #references(): Promise<readonly Named[]> {
    return (await this.#store.references()).flatMap(({ name, descriptor }) => {
      const reference = canonical(name);
      const isServed = reference !== undefined &&
        (this.#registry === undefined || reference.registry === this.#registry);
      return isServed ? [{ name, reference, descriptor }] : [];
    });
  }

  /** Returns the references that a repository serves, in order of precedence. */
  async #named(repository: string): Promise<readonly Named[]> {
    return (await this.#references())
      .filter(({ reference }) => {
        return reference.repository === repository ||
          this.#registry === undefined && fullName(reference) === repository;
      })
      .map((named) => ({ ...named, key: precedence(named.reference, repository) }))
      .sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
  }

  /** Returns all repositories combined into one. */
  async #everything(): Promise<Repository> {
    const roots = (await this.#references()).map(({ descriptor }) => descriptor);
    return { name: "", tags: new Map(), roots: [...roots, ...this.#pushed.all()] };
  }

  async #repository(name: string): Promise<Repository> {
    const tags = new Map<string, Descriptor>();
    const roots = [...this.#pushed.of(name)];
    for (const { reference: { tag, digest }, descriptor } of await this.#named(name)) {
      roots.push(descriptor);
      // A tag next to a digest is informational; another entry defines what the tag points to.
      if (tag !== undefined && digest === undefined && !tags.has(tag)) tags.set(tag, descriptor);
    }
    return { name, tags, roots };
  }

  /** Returns all content that the references of a repository lead to, and its referrers. */
  async #reachable({ name, roots }: Repository): Promise<ReadonlyMap<Digest, Descriptor>> {
    const found = new Map<Digest, Descriptor>();
    const walk = async (descriptor: Descriptor, depth: number) => {
      const known = found.get(descriptor.digest);
      // A document may have been pushed as a blob; the descriptor that references it has the right
      // type.
      if (
        known !== undefined &&
        (isDocumentMediaType(known.mediaType) || !isDocumentMediaType(descriptor.mediaType))
      ) return;
      if (depth > MAX_INDEX_DEPTH) return;
      found.set(descriptor.digest, descriptor);
      const document = await this.#documents.read(descriptor);
      for (const child of visible(childrenOf(document))) await walk(child, depth + 1);
    };
    const hider = this.#registry === undefined
      ? name
      : fullName({ registry: this.#registry, repository: name });
    const visible = (descriptors: readonly Descriptor[]) =>
      descriptors.filter(({ digest }) => !this.#hidden.has(hider, digest));
    for (const root of roots) await walk(root, 0);
    if (found.size === 0) return found;
    // Layouts hold signatures and similar artifacts as unnamed entries, which may refer to each
    // other.
    const unnamed = visible(await this.#store.descriptors());
    for (let before = -1; before !== found.size;) {
      before = found.size;
      for (const descriptor of unnamed) {
        const subject = (await this.#documents.read(descriptor))?.value.subject?.digest;
        if (subject !== undefined && found.has(subject)) await walk(descriptor, 0);
      }
    }
    return found;
  }
}

/** Parses a name; returns `undefined` unless it is in the form that this package writes. */
function canonical(name: string): Reference | undefined {
  const reference = parseStoredName(name);
  return reference && formatReference(reference) === name ? reference : undefined;
}

function fullName({ registry, repository }: Reference): string {
  return `${registry.replace(":", "_")}/${repository}`;
}

/**
 * Returns the name in the catalog. Pushed images are listed under the name that the client used.
 */
function listedName(reference: Reference): string {
  return reference.registry === PUSHED_REGISTRY ? reference.repository : fullName(reference);
}

/** Sort key: images pushed to the name, the full name, Docker Hub, other registries by name. */
function precedence(reference: Reference, name: string): string {
  const { registry, repository } = reference;
  if (registry === PUSHED_REGISTRY && repository === name) return "0";
  if (fullName(reference) === name) return "1";
  return registry === "docker.io" ? "2" : `3${registry}`;
}

/** Returns a descriptor with only its media type, digest and size. */
function plain({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType, digest, size };
}
