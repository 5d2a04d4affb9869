import type { Digest } from "../../spec/digest.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { contentKey } from "./_hidden_content.ts";

/** Maximum number of entries, more than any push has in flight. The oldest are dropped. */
const MAX_ENTRIES = 65_536;

/** Record of content by repository and digest. */
export class ContentRecord {
  /** All content, the oldest first. */
  readonly #added = new Map<string, { readonly repository: string; readonly blob: Descriptor }>();
  readonly #byRepository = new Map<string, Map<Digest, Descriptor>>();
  #documents = 0;
  #removals = 0;

  /** Number of documents that were added. */
  get documents(): number {
    return this.#documents;
  }

  /** Number of removals. */
  get removals(): number {
    return this.#removals;
  }

  repositories(): readonly string[] {
    return [...this.#byRepository.keys()];
  }

  of(name: string): readonly Descriptor[] {
    return [...this.#byRepository.get(name)?.values() ?? []];
  }

  all(): readonly Descriptor[] {
    return [...this.#added.values()].map(({ blob }) => blob);
  }

  get(repository: string, digest: Digest): Descriptor | undefined {
    return this.#byRepository.get(repository)?.get(digest);
  }

  add(repository: string, descriptor: Descriptor): void {
    const blob = bareDescriptor(descriptor);
    const { digest, mediaType } = blob;
    const key = contentKey(repository, digest);
    this.#added.delete(key);
    this.#added.set(key, { repository, blob });
    this.#byRepository.getOrInsertComputed(repository, () => new Map()).set(digest, blob);
    if (isDocumentMediaType(mediaType)) this.#documents++;
    if (this.#added.size <= MAX_ENTRIES) return;
    for (const oldest of this.#added.values()) {
      return this.delete(oldest.repository, oldest.blob.digest);
    }
  }

  delete(repository: string, digest: Digest): void {
    if (!this.#added.delete(contentKey(repository, digest))) return;
    this.#removals++;
    const blobs = this.#byRepository.get(repository);
    blobs?.delete(digest);
    if (blobs?.size === 0) this.#byRepository.delete(repository);
  }
}
