import { BoundedMap } from "../../registry/transport/bounded_map.ts";
import type { Digest } from "../../spec/digest.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_INDEX_DEPTH } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { DocumentReader } from "./_document_reader.ts";

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
  readonly #documents: DocumentReader;
  /** Subject of each listed document that has been read; `undefined` if it has none. */
  #subjects: ReadonlyMap<Digest, Digest | undefined> = new Map();
  /** Entries of `index.json`, all of which have been read, by their subjects. */
  #listed: { readonly of: readonly Descriptor[]; readonly bySubject: BySubject } | undefined;
  readonly #walks = new BoundedMap<string, Walk>(MAX_REMEMBERED);

  constructor(store: ContentStore, documents: DocumentReader) {
    this.#store = store;
    this.#documents = documents;
  }

  /** Returns the descriptors of those digests that a repository has. */
  async find(
    repository: RepositoryRoots,
    digests: readonly Digest[],
  ): Promise<ReadonlyMap<Digest, Descriptor>> {
    let walk = await this.#walk(repository);
    const isMissing = digests.some((digest) => !walk.found.has(digest));
    if (isMissing && await walk.hasNews()) walk = await this.#walkAgain(repository);
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
    if (await walk.hasNews()) walk = await this.#walkAgain(repository);
    return walk.referrers.get(subject) ?? [];
  }

  /** Adds a blob, which references no other content, to a repository. */
  addBlob(repository: string, blob: Descriptor): void {
    this.#walks.get(repository)?.found.getOrInsert(blob.digest, blob);
  }

  async #walk(repository: RepositoryRoots): Promise<Walk> {
    const entries = await this.#store.descriptors();
    const walk = this.#walks.get(repository.name);
    return walk?.isOf([...repository.version, entries]) === true
      ? await this.#finish(repository.name, walk)
      : await this.#walkAgain(repository);
  }

  async #walkAgain(repository: RepositoryRoots): Promise<Walk> {
    const { name, version } = repository;
    const entries = await this.#store.descriptors();
    const subjects = this.#bySubject(entries);
    const state = [...version, entries];
    const walk = new Walk(this.#store, this.#documents, repository, state, subjects);
    this.#walks.set(name, walk);
    return await this.#finish(name, walk);
  }

  /** Groups the entries of `index.json`, such as signatures, by their subjects. */
  async #bySubject(entries: readonly Descriptor[]): Promise<BySubject> {
    if (entries === this.#listed?.of) return this.#listed.bySubject;
    const known = new Map<Digest, Digest | undefined>();
    const bySubject = new Map<Digest, Descriptor[]>();
    let isComplete = true;
    for (const entry of entries) {
      const { digest } = entry;
      if (!isDocumentMediaType(entry.mediaType)) continue;
      let subject = this.#subjects.get(digest);
      if (subject === undefined && !this.#subjects.has(digest)) {
        const document = await this.#documents.read(entry);
        // It may be stored later.
        if (document === undefined) {
          isComplete = false;
          continue;
        }
        subject = document.value.subject?.digest;
      }
      known.set(digest, subject);
      if (subject !== undefined) bySubject.getOrInsert(subject, []).push(entry);
    }
    this.#subjects = known;
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
class Walk {
  /** Resolves when the content is complete. */
  readonly finished: Promise<void>;
  /** The content so far. */
  readonly found: Map<Digest, Descriptor> = new Map();
  /** The documents so far that have a subject, by its digest. */
  readonly referrers: Map<Digest, Descriptor[]> = new Map();
  readonly #store: ContentStore;
  readonly #documents: DocumentReader;
  readonly #repository: RepositoryRoots;
  readonly #version: readonly unknown[];
  /** Documents that are missing in the store, or damaged. */
  readonly #missing: Descriptor[] = [];

  constructor(
    store: ContentStore,
    documents: DocumentReader,
    repository: RepositoryRoots,
    version: readonly unknown[],
    subjects: Promise<BySubject>,
  ) {
    this.#store = store;
    this.#documents = documents;
    this.#repository = repository;
    this.#version = version;
    this.finished = this.#run(subjects);
  }

  /** Returns whether the walk began with these values. */
  isOf(version: readonly unknown[]): boolean {
    return version.length === this.#version.length &&
      version.every((value, i) => value === this.#version[i]);
  }

  /** Returns whether the store now has documents that were missing. */
  async hasNews(): Promise<boolean> {
    for (const document of this.#missing) if (await this.#store.has(document)) return true;
    return false;
  }

  async #run(subjects: Promise<BySubject>): Promise<void> {
    const bySubject = await subjects;
    for (const root of this.#repository.roots) await this.#follow(root, 0);
    if (this.found.size === 0) return;
    // The loop also visits entries that are added to the map while it runs.
    for (const digest of this.found.keys()) {
      for (const referrer of this.#visible(bySubject.get(digest) ?? [])) {
        await this.#follow(referrer, 0);
      }
    }
  }

  async #follow(descriptor: Descriptor, depth: number): Promise<void> {
    const { digest, mediaType } = descriptor;
    const known = this.found.get(digest);
    const isDocument = isDocumentMediaType(mediaType);
    // A document may have been pushed as a blob; the descriptor that references it has the right
    // type.
    if (known !== undefined && (isDocumentMediaType(known.mediaType) || !isDocument)) return;
    if (depth > MAX_INDEX_DEPTH) return;
    this.found.set(digest, descriptor);
    if (!isDocument) return;
    const document = await this.#documents.read(descriptor);
    if (document === undefined) {
      this.#missing.push(descriptor);
      return;
    }
    const subject = document.value.subject?.digest;
    if (subject !== undefined) this.referrers.getOrInsert(subject, []).push(descriptor);
    for (const child of this.#visible(childrenOf(document))) await this.#follow(child, depth + 1);
  }

  #visible(descriptors: readonly Descriptor[]): readonly Descriptor[] {
    return descriptors.filter(({ digest }) => !this.#repository.isHidden(digest));
  }
}
