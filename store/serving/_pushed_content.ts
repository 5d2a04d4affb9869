import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { contentKey } from "./_hidden_content.ts";

/** Maximum number of entries, more than any push has in flight. The oldest are dropped. */
const MAX_REMEMBERED = 65_536;

/**
 * Pushed content that no reference of the store leads to: blobs whose manifest has not been pushed
 * yet, and manifests that have lost their tag.
 */
export class PushedContent {
  /** Pushed content by repository and digest, the oldest first. */
  readonly #added = new Map<string, { readonly repository: string; readonly blob: Descriptor }>();
  readonly #byRepository = new Map<string, Map<Digest, Descriptor>>();
  #version = 0;

  /** Number that changes when a document is added or any content is removed. */
  get version(): number {
    return this.#version;
  }

  /** Returns every repository with pushed content. */
  repositories(): readonly string[] {
    return [...this.#byRepository.keys()];
  }

  /** Returns the content pushed to a repository. */
  of(name: string): readonly Descriptor[] {
    return [...this.#byRepository.get(name)?.values() ?? []];
  }

  /** Returns the content pushed to any repository. */
  all(): readonly Descriptor[] {
    return [...this.#added.values()].map(({ blob }) => blob);
  }

  /** Returns content pushed to a repository, by digest. */
  get(repository: string, digest: Digest): Descriptor | undefined {
    return this.#byRepository.get(repository)?.get(digest);
  }

  /** Remembers pushed content. */
  add(repository: string, blob: Descriptor): void {
    const key = contentKey(repository, blob.digest);
    this.#added.delete(key);
    this.#added.set(key, { repository, blob });
    const blobs = this.#byRepository.get(repository) ?? new Map<Digest, Descriptor>();
    this.#byRepository.set(repository, blobs.set(blob.digest, blob));
    if (isDocumentMediaType(blob.mediaType)) this.#version++;
    if (this.#added.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#added.values()) {
      return this.delete(oldest.repository, oldest.blob.digest);
    }
  }

  /** Forgets deleted content. */
  delete(repository: string, digest: Digest): void {
    if (!this.#added.delete(contentKey(repository, digest))) return;
    this.#version++;
    const blobs = this.#byRepository.get(repository);
    blobs?.delete(digest);
    if (blobs?.size === 0) this.#byRepository.delete(repository);
  }
}

/** Lookups that {@linkcode ServedContent} uses. */
export interface ServedContentPlaces {
  /** Returns whether the store has content under a name of the upstream repository. */
  readonly isStored: (repository: string, digest: Digest) => Promise<boolean>;
  /** Asks the upstream registry for a blob. */
  readonly findBlob: (repository: string, digest: Digest) => Promise<Descriptor | undefined>;
}

/**
 * Records which content the upstream registry of a proxy serves. A proxy must not serve content that
 * upstream documents reference but only the store has, from another registry.
 */
export class ServedContent {
  readonly #places: ServedContentPlaces;
  readonly #served = new PushedContent();
  /** Content that upstream documents reference, but that upstream did not serve on request. */
  readonly #absent = new PushedContent();

  /** Creates an empty record. */
  constructor(places: ServedContentPlaces) {
    this.#places = places;
  }

  /** Remembers content that the upstream registry serves. */
  add(repository: string, { mediaType, digest, size }: Descriptor): void {
    this.#served.add(repository, { mediaType, digest, size });
  }

  /** Returns whether the upstream registry serves content, or the store has it under its name. */
  async has(repository: string, { digest }: Descriptor): Promise<boolean> {
    return this.#served.get(repository, digest) !== undefined ||
      await this.#places.isStored(repository, digest);
  }

  /**
   * Checks that the upstream registry serves a blob.
   *
   * @throws {Deno.errors.NotFound} If it does not have the blob.
   */
  async confirm(repository: string, descriptor: Descriptor): Promise<void> {
    if (await this.has(repository, descriptor)) return;
    const { digest } = descriptor;
    if (await this.#places.findBlob(repository, digest) === undefined) {
      throw new Deno.errors.NotFound(`Cannot open ${digest}: "${repository}" does not have it`);
    }
    this.add(repository, descriptor);
  }

  /**
   * Returns whether an image with this content may get its name in the store. Clients request all
   * documents of an image, but not the blobs that they have, so upstream is asked for those once.
   */
  async mayName(repository: string, descriptor: Descriptor): Promise<boolean> {
    const { mediaType, digest } = descriptor;
    if (isDocumentMediaType(mediaType)) return await this.has(repository, descriptor);
    if (this.#absent.get(repository, digest) !== undefined) {
      return await this.has(repository, descriptor);
    }
    try {
      await this.confirm(repository, descriptor);
      return true;
    } catch {
      // A client that requests the blob receives the error.
      this.#absent.add(repository, descriptor);
      return false;
    }
  }
}
