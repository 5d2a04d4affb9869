import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import type { ContentRange, RegistryContent } from "../../registry/registry_content.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { type ManifestDocument, MAX_MANIFEST_BYTES, parseManifest } from "../../spec/manifest.ts";
import { isIndexMediaType, isManifestMediaType } from "../../spec/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";

/** A repository as it is served. */
interface Repository {
  readonly tags: Map<string, Descriptor>;
  readonly roots: Descriptor[];
}

/** What a manifest or index says of others. */
interface Links {
  readonly children: readonly Descriptor[];
  readonly subject: Digest | undefined;
  readonly referrer: Pick<Descriptor, "artifactType" | "annotations">;
}

const NO_LINKS: Links = { children: [], subject: undefined, referrer: {} };
/** How deep indexes may lie in indexes. */
const MAX_DEPTH = 8;

/**
 * Serves the images of a store.
 *
 * An image is served under its full name, such as `docker.io/library/alpine`, and under its
 * path alone, `library/alpine`, so that the store can stand in for a registry as its mirror.
 * A port is written with `_` for the colon, which a repository's name cannot have:
 * `localhost_5000/a/b`. Where two registries have the same path, the path alone serves the tags
 * of both; a tag that both have is that of Docker Hub, else of the registry whose name comes
 * first.
 *
 * A repository gives out what its references lead to, and nothing else of the store. References
 * are read anew for each request, so what is pulled meanwhile is served.
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
export class StoreRegistryContent implements RegistryContent {
  readonly #store: ContentStore;
  /** Content does not change, so what it says is read once. */
  readonly #links = new Map<Digest, Links>();

  /** Of a store. */
  constructor(store: ContentStore) {
    this.#store = store;
  }

  /** Every repository under its full name, in order. */
  async repositories(): Promise<readonly string[]> {
    const references = await this.#references();
    return [...new Set(references.map(({ reference }) => fullName(reference)))].sort();
  }

  /** Every tag of a repository, in order. */
  async tags(repository: string): Promise<readonly string[]> {
    return [...(await this.#repository(repository)).tags.keys()].sort();
  }

  /** The descriptor of a manifest or index, by tag or digest. */
  async resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const found = await this.#repository(repository);
    if (!isDigest(tagOrDigest)) return plain(found.tags.get(tagOrDigest));
    const descriptor = (await this.#reachable(found)).get(tagOrDigest);
    return descriptor !== undefined && isDocument(descriptor) ? plain(descriptor) : undefined;
  }

  /** The size of a manifest or blob that the repository has. */
  async size(repository: string, digest: Digest): Promise<number | undefined> {
    const reachable = await this.#reachable(await this.#repository(repository));
    const descriptor = reachable.get(digest);
    return descriptor !== undefined && await this.#store.has(descriptor)
      ? descriptor.size
      : undefined;
  }

  /**
   * Opens the bytes of a manifest or blob that the repository has.
   *
   * @throws {Deno.errors.NotFound} If it does not have it.
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

  /** Descriptors of the manifests whose `subject` is a digest. */
  async referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    const found = await this.#repository(repository);
    const referrers: Descriptor[] = [];
    for (const descriptor of (await this.#reachable(found)).values()) {
      const { subject, referrer } = await this.#read(descriptor);
      if (subject !== digest) continue;
      const { mediaType, digest: own, size } = descriptor;
      referrers.push({ mediaType, digest: own, size, ...referrer });
    }
    return referrers;
  }

  async #references(): Promise<readonly { reference: Reference; descriptor: Descriptor }[]> {
    return (await this.#store.references()).flatMap(({ name, descriptor }) => {
      const reference = canonical(name);
      return reference === undefined ? [] : [{ reference, descriptor }];
    });
  }

  async #repository(name: string): Promise<Repository> {
    const tags = new Map<string, Descriptor>();
    const roots: Descriptor[] = [];
    const named = (await this.#references())
      .filter(({ reference }) => fullName(reference) === name || reference.repository === name)
      .map((named) => ({ ...named, key: precedence(named.reference, name) }))
      .sort((a, b) => a.key < b.key ? -1 : a.key > b.key ? 1 : 0);
    for (const { reference: { tag, digest }, descriptor } of named) {
      roots.push(descriptor);
      // Beside a digest, a tag is for the reader: what it stands for is another entry's to say.
      if (tag !== undefined && digest === undefined && !tags.has(tag)) tags.set(tag, descriptor);
    }
    return { tags, roots };
  }

  /** All that the references of a repository lead to, and what refers to it. */
  async #reachable({ roots }: Repository): Promise<ReadonlyMap<Digest, Descriptor>> {
    const found = new Map<Digest, Descriptor>();
    const walk = async (descriptor: Descriptor, depth: number) => {
      if (found.has(descriptor.digest) || depth > MAX_DEPTH) return;
      found.set(descriptor.digest, descriptor);
      for (const child of (await this.#read(descriptor)).children) await walk(child, depth + 1);
    };
    for (const root of roots) await walk(root, 0);
    if (found.size === 0) return found;
    // Layouts hold signatures and the like as entries without a name; one may be about another.
    const unnamed = await this.#store.descriptors();
    for (let before = -1; before !== found.size;) {
      before = found.size;
      for (const descriptor of unnamed) {
        const { subject } = await this.#read(descriptor);
        if (subject !== undefined && found.has(subject)) await walk(descriptor, 0);
      }
    }
    return found;
  }

  async #read(descriptor: Descriptor): Promise<Links> {
    if (!isDocument(descriptor)) return NO_LINKS;
    const known = this.#links.get(descriptor.digest);
    if (known !== undefined) return known;
    try {
      const bytes = await this.#store.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
      // The manifests of other platforms may not be here, or not yet.
      if (bytes === undefined) return NO_LINKS;
      const links = linksOf(parseManifest(bytes, descriptor.mediaType));
      this.#links.set(descriptor.digest, links);
      return links;
    } catch (error) {
      // A damaged manifest leads nowhere; who asks for it finds out that it is damaged.
      if (error instanceof DigestMismatchError || error instanceof SyntaxError) return NO_LINKS;
      throw error;
    }
  }
}

/** The reference in a name, if it is one that this package has written or could have. */
function canonical(name: string): Reference | undefined {
  try {
    const reference = parseReference(name);
    return formatReference(reference) === name ? reference : undefined;
  } catch {
    // Other tools write any text there.
    return undefined;
  }
}

function fullName({ registry, repository }: Reference): string {
  return `${registry.replace(":", "_")}/${repository}`;
}

/** A key to sort by: who has the full name, then Docker Hub, then the rest by name. */
function precedence(reference: Reference, name: string): string {
  if (fullName(reference) === name) return "0";
  return reference.registry === "docker.io" ? "1" : `2${reference.registry}`;
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isIndexMediaType(mediaType) || isManifestMediaType(mediaType);
}

/** A descriptor without what the place where it stood had added. */
function plain(descriptor: Descriptor | undefined): Descriptor | undefined {
  if (descriptor === undefined) return undefined;
  const { mediaType, digest, size } = descriptor;
  return { mediaType, digest, size };
}

function linksOf(document: ManifestDocument): Links {
  const { kind, value } = document;
  const children = kind === "index" ? value.manifests : [value.config, ...value.layers];
  // The type of a manifest that names none is its config's.
  const artifactType = value.artifactType ??
    (kind === "manifest" ? value.config.mediaType : undefined);
  const { annotations } = value;
  return {
    children,
    subject: value.subject?.digest,
    referrer: {
      ...(artifactType === undefined ? {} : { artifactType }),
      ...(annotations === undefined ? {} : { annotations }),
    },
  };
}
