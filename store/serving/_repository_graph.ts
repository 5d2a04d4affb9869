import { BoundedMap } from "../../registry/transport/bounded_map.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_INDEX_DEPTH } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { DocumentLinks, Links } from "./_document_links.ts";

/** Maximum number of repositories whose content is remembered. */
const MAX_REMEMBERED = 64;

/** Documents by their subjects. */
type BySubject = Map<Digest, Descriptor[]>;

/** The references of a repository, and the state of its content. */
export interface RepositoryRoots {
  readonly name: string;
  readonly roots: readonly Descriptor[];
  /** Returns whether content was deleted from the repository. */
  readonly isHidden: (digest: Digest) => boolean;
  /** Values that change with the content, unless the store merely gains missing documents. */
  readonly version: readonly unknown[];
  /** Values that change when content is removed or hidden, unless it leaves `index.json`. */
  readonly removals: readonly unknown[];
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

  /**
   * Returns the descriptors of those digests that a repository has. Reads no more documents than
   * necessary.
   *
   * @param isFound Whether to accept a descriptor: other content may reference the same bytes with
   * another type.
   */
  async find(
    repository: RepositoryRoots,
    digests: readonly Digest[],
    isFound: (descriptor: Descriptor) => boolean = () => true,
  ): Promise<ReadonlyMap<Digest, Descriptor>> {
    let walk = await this.#walk(repository);
    const isMissing = (digest: Digest) => {
      const descriptor = walk.found.get(digest);
      return descriptor === undefined || !isFound(descriptor);
    };
    if (digests.some(isMissing)) await this.#try(walk, () => walk.finish());
    if (digests.some(isMissing) && await this.#hasMissing(walk)) {
      walk = await this.#walkAgain(repository);
      await this.#try(walk, () => walk.finish());
    }
    const found = new Map<Digest, Descriptor>();
    for (const digest of digests) {
      // A client that gets a document requests its content next.
      await this.#try(walk, () => walk.read(digest));
      const descriptor = walk.found.get(digest);
      if (descriptor !== undefined) found.set(digest, descriptor);
    }
    return found;
  }

  /** Returns the descriptors of the documents of a repository with a digest as their subject. */
  async referrers(repository: RepositoryRoots, subject: Digest): Promise<readonly Descriptor[]> {
    let walk = await this.#walk(repository);
    await this.#try(walk, () => walk.finish());
    if (await this.#hasMissing(walk)) walk = await this.#walkAgain(repository);
    await this.#try(walk, () => walk.finish());
    return walk.referrers.get(subject) ?? [];
  }

  /** Adds a blob, which references no other content, to a repository. */
  addBlob(repository: string, blob: Descriptor): void {
    this.#walks.get(repository)?.found.getOrInsert(blob.digest, blob);
  }

  async #walk(repository: RepositoryRoots): Promise<Walk> {
    const entries = await this.#store.descriptors();
    const walk = this.#walks.get(repository.name);
    return walk?.extend(repository, entries) ? walk : await this.#walkAgain(repository);
  }

  /** Returns whether the store now has documents that were missing. */
  async #hasMissing({ missing }: Walk): Promise<boolean> {
    for (const document of missing) if (await this.#store.has(document)) return true;
    return false;
  }

  async #walkAgain(repository: RepositoryRoots): Promise<Walk> {
    const entries = await this.#store.descriptors();
    const walk = new Walk(this.#links, repository, entries, (listed) => this.#bySubject(listed));
    this.#walks.set(repository.name, walk);
    return walk;
  }

  /** Groups the entries of `index.json`, such as signatures, by their subjects. */
  async #bySubject(entries: readonly Descriptor[]): Promise<BySubject> {
    if (entries === this.#listed?.of) return this.#listed.bySubject;
    const known = this.#listed && beginsWith(entries, this.#listed.of) ? this.#listed : undefined;
    const bySubject = known?.bySubject ?? new Map<Digest, Descriptor[]>();
    // A concurrent call must not add to the same map.
    this.#listed = undefined;
    let isComplete = true;
    for (const entry of entries.slice(known?.of.length ?? 0)) {
      if (!isDocumentMediaType(entry.mediaType)) continue;
      const links = this.#links.known(entry) ?? await this.#links.read(entry);
      // A missing one may be stored later.
      if (links === undefined) isComplete = false;
      else if (links.subject !== undefined) bySubject.getOrInsert(links.subject, []).push(entry);
    }
    this.#listed = isComplete ? { of: entries, bySubject } : undefined;
    return bySubject;
  }

  /** Continues a walk, which is forgotten if that fails. */
  async #try(walk: Walk, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (this.#walks.get(walk.name) === walk) this.#walks.delete(walk.name);
      throw error;
    }
  }
}

/**
 * A walk through the references of a repository and the documents whose subjects it finds, and the
 * content that it has found. It starts with the documents that are known.
 */
class Walk {
  readonly name: string;
  /** The content so far. */
  readonly found = new Map<Digest, Descriptor>();
  /** The documents so far that have a subject, by its digest. */
  readonly referrers = new Map<Digest, Descriptor[]>();
  /** Documents that are missing in the store, or damaged. */
  readonly missing: Descriptor[] = [];
  readonly #links: DocumentLinks;
  readonly #isHidden: (digest: Digest) => boolean;
  readonly #subjects: (entries: readonly Descriptor[]) => Promise<BySubject>;
  readonly #removals: readonly unknown[];
  #version: readonly unknown[] = [];
  /** Entries of `index.json`. */
  #entries: readonly Descriptor[] = [];
  /** Readers of the documents whose links are unknown. */
  readonly #unread = new Map<Digest, () => Promise<void>>();
  #finished: Promise<void> | undefined;

  constructor(
    links: DocumentLinks,
    repository: RepositoryRoots,
    entries: readonly Descriptor[],
    subjects: (entries: readonly Descriptor[]) => Promise<BySubject>,
  ) {
    this.name = repository.name;
    this.#links = links;
    this.#isHidden = repository.isHidden;
    this.#removals = repository.removals;
    this.#subjects = subjects;
    this.extend(repository, entries);
  }

  /** Adds new references. Returns `false` if content was removed, so that a new walk is needed. */
  extend(
    { roots, version, removals }: RepositoryRoots,
    entries: readonly Descriptor[],
  ): boolean {
    if (!beginsWith(removals, this.#removals) || !beginsWith(entries, this.#entries)) return false;
    if (entries === this.#entries && beginsWith(version, this.#version)) return true;
    this.#version = version;
    this.#entries = entries;
    this.#finished = undefined;
    for (const root of roots) this.#follow(root, 0);
    return true;
  }

  /** Reads a document that was found, if its links are unknown. */
  async read(digest: Digest): Promise<void> {
    await this.#unread.get(digest)?.();
  }

  /** Completes the content. */
  finish(): Promise<void> {
    return this.#finished ??= this.#finish();
  }

  async #finish(): Promise<void> {
    // The loops also visit entries that are added to the maps while they run.
    for (const read of this.#unread.values()) await read();
    const bySubject = await this.#subjects(this.#entries);
    if (bySubject.size === 0) return;
    for (const digest of this.found.keys()) {
      this.#followVisible(bySubject.get(digest) ?? [], 0);
      for (const read of this.#unread.values()) await read();
    }
  }

  /** Follows a descriptor as far as links are known. */
  #follow(descriptor: Descriptor, depth: number): void {
    const { digest, mediaType } = descriptor;
    const known = this.found.get(digest);
    const isDocument = isDocumentMediaType(mediaType);
    // A document may have been pushed as a blob; the descriptor that references it has the right
    // type.
    if (known !== undefined && (isDocumentMediaType(known.mediaType) || !isDocument)) return;
    if (depth > MAX_INDEX_DEPTH) return;
    this.found.set(digest, descriptor);
    if (!isDocument) return;
    const links = this.#links.known(descriptor);
    if (links !== undefined) return this.#add(descriptor, links, depth);
    let task: Promise<void> | undefined;
    this.#unread.set(digest, () => task ??= this.#read(descriptor, depth));
  }

  async #read(descriptor: Descriptor, depth: number): Promise<void> {
    const links = await this.#links.read(descriptor);
    if (links === undefined) this.missing.push(descriptor);
    else this.#add(descriptor, links, depth);
    this.#unread.delete(descriptor.digest);
  }

  #add(descriptor: Descriptor, { subject, children }: Links, depth: number): void {
    if (subject !== undefined) this.referrers.getOrInsert(subject, []).push(descriptor);
    this.#followVisible(children, depth + 1);
  }

  #followVisible(descriptors: readonly Descriptor[], depth: number): void {
    for (const descriptor of descriptors) {
      if (!this.#isHidden(descriptor.digest)) this.#follow(descriptor, depth);
    }
  }
}

/** Whether a list starts with all items of another one. */
function beginsWith(list: readonly unknown[], start: readonly unknown[]): boolean {
  return list === start || start.every((item, i) => item === list[i]);
}
