import { BoundedMap } from "../../registry/transport/bounded_map.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_INDEX_DEPTH } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { DocumentLinks } from "./_document_links.ts";

/** Maximum number of repositories whose content is remembered. */
const MAX_REMEMBERED = 64;

/** Documents by their subjects. */
type BySubject = ReadonlyMap<Digest, readonly Descriptor[]>;

/** The references of a repository, and the version of its content. */
export interface RepositoryRoots {
  readonly name: string;
  readonly roots: readonly Descriptor[];
  /** Returns whether content was deleted from the repository. */
  readonly isHidden: (digest: Digest) => boolean;
  /** Values that change with the content, unless the store merely gains missing documents. */
  readonly version: readonly unknown[];
}

/** Finds the content of repositories, and caches it until something changes. */
export class RepositoryGraph {
  readonly #store: ContentStore;
  readonly #links: DocumentLinks;
  /** Entries of `index.json`, all of which have been read, by their subjects. */
  #listed: { readonly of: readonly Descriptor[]; readonly bySubject: BySubject } | undefined;
  readonly #walks = new BoundedMap<string, Walk>(MAX_REMEMBERED);

  constructor(store: ContentStore, links: DocumentLinks) {
    this.#store = store;
    this.#links = links;
  }

  /** Returns the descriptors of those digests that a repository has. */
  async find(
    repository: RepositoryRoots,
    digests: readonly Digest[],
  ): Promise<ReadonlyMap<Digest, Descriptor>> {
    let walk = await this.#walk(repository);
    const isMissing = digests.some((digest) => !walk.found.has(digest));
    if (isMissing && await this.#hasNews(walk)) walk = await this.#walkAgain(repository);
    const found = new Map<Digest, Descriptor>();
    for (const digest of digests) {
      const descriptor = walk.found.get(digest);
      if (descriptor !== undefined) found.set(digest, descriptor);
    }
    return found;
  }

  /** Returns the descriptors of the documents of a repository with a digest as their subject. */
  async referrers(repository: RepositoryRoots, subject: Digest): Promise<readonly Descriptor[]> {
    let walk = await this.#walk(repository);
    if (await this.#hasNews(walk)) walk = await this.#walkAgain(repository);
    return walk.referrers.get(subject) ?? [];
  }

  /** Adds a blob, which references no other content, to a repository. */
  addBlob(repository: string, blob: Descriptor): void {
    this.#walks.get(repository)?.found.getOrInsert(blob.digest, blob);
  }

  async #walk(repository: RepositoryRoots): Promise<Walk> {
    const version = [...repository.version, await this.#store.descriptors()];
    const walk = this.#walks.get(repository.name);
    const isCurrent = walk?.version.length === version.length &&
      version.every((value, i) => value === walk.version[i]);
    return walk !== undefined && isCurrent
      ? await this.#finish(repository.name, walk)
      : await this.#walkAgain(repository);
  }

  /** Returns whether the store now has documents that were missing. */
  async #hasNews({ missing }: Walk): Promise<boolean> {
    for (const document of missing) if (await this.#store.has(document)) return true;
    return false;
  }

  async #walkAgain(repository: RepositoryRoots): Promise<Walk> {
    const { name, version } = repository;
    const entries = await this.#store.descriptors();
    const subjects = this.#bySubject(entries);
    const walk = startWalk(this.#links, repository, [...version, entries], subjects);
    this.#walks.set(name, walk);
    return await this.#finish(name, walk);
  }

  /** Groups the entries of `index.json`, such as signatures, by their subjects. */
  async #bySubject(entries: readonly Descriptor[]): Promise<BySubject> {
    if (entries === this.#listed?.of) return this.#listed.bySubject;
    const bySubject = new Map<Digest, Descriptor[]>();
    let isComplete = true;
    for (const entry of entries) {
      if (!isDocumentMediaType(entry.mediaType)) continue;
      const links = this.#links.known(entry) ?? await this.#links.read(entry);
      // A missing one may be stored later.
      if (links === undefined) isComplete = false;
      else if (links.subject !== undefined) bySubject.getOrInsert(links.subject, []).push(entry);
    }
    this.#listed = isComplete ? { of: entries, bySubject } : undefined;
    return bySubject;
  }

  async #finish(name: string, walk: Walk): Promise<Walk> {
    try {
      await walk.finished;
      return walk;
    } catch (error) {
      if (this.#walks.get(name) === walk) this.#walks.delete(name);
      throw error;
    }
  }
}

/**
 * A walk through the references of a repository and the documents whose subjects it finds, and the
 * content that it has found.
 */
interface Walk {
  /** Resolves when the content is complete. */
  readonly finished: Promise<void>;
  /** The content so far. */
  readonly found: Map<Digest, Descriptor>;
  /** The documents so far that have a subject, by its digest. */
  readonly referrers: ReadonlyMap<Digest, readonly Descriptor[]>;
  /** Documents that are missing in the store, or damaged. */
  readonly missing: readonly Descriptor[];
  /** Values that change with the content. */
  readonly version: readonly unknown[];
}

function startWalk(
  links: DocumentLinks,
  { roots, isHidden }: RepositoryRoots,
  version: readonly unknown[],
  subjects: Promise<BySubject>,
): Walk {
  const found = new Map<Digest, Descriptor>();
  const referrers = new Map<Digest, Descriptor[]>();
  const missing: Descriptor[] = [];
  const follow = async (descriptor: Descriptor, depth: number) => {
    const { digest, mediaType } = descriptor;
    const known = found.get(digest);
    const isDocument = isDocumentMediaType(mediaType);
    // A document may have been pushed as a blob; the descriptor that references it has the right
    // type.
    if (known !== undefined && (isDocumentMediaType(known.mediaType) || !isDocument)) return;
    if (depth > MAX_INDEX_DEPTH) return;
    found.set(digest, descriptor);
    if (!isDocument) return;
    const document = links.known(descriptor) ?? await links.read(descriptor);
    if (document === undefined) return void missing.push(descriptor);
    const { subject, children } = document;
    if (subject !== undefined) referrers.getOrInsert(subject, []).push(descriptor);
    await followVisible(children, depth + 1);
  };
  const followVisible = async (descriptors: readonly Descriptor[], depth: number) => {
    for (const descriptor of descriptors) {
      if (!isHidden(descriptor.digest)) await follow(descriptor, depth);
    }
  };
  const run = async () => {
    const bySubject = await subjects;
    for (const root of roots) await follow(root, 0);
    // The loop also visits entries that are added to the map while it runs.
    for (const digest of found.keys()) await followVisible(bySubject.get(digest) ?? [], 0);
  };
  return { finished: run(), found, referrers, missing, version };
}
