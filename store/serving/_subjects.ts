import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { DocumentReader } from "./_document_reader.ts";

/**
 * The entries of an `index.json` by their subjects. Layouts list signatures and similar artifacts as
 * entries without a name. Each document is read once.
 */
export class Subjects {
  readonly #documents: DocumentReader;
  /** Subject of each document that has been read; `undefined` if it has none. */
  #known: ReadonlyMap<Digest, Digest | undefined> = new Map();
  #entries: readonly Descriptor[] | undefined;
  #bySubject: ReadonlyMap<Digest, readonly Descriptor[]> = new Map();

  constructor(documents: DocumentReader) {
    this.#documents = documents;
  }

  /**
   * Groups entries by their subjects.
   *
   * @param entries The entries; the same array as before if none has changed.
   */
  async read(
    entries: readonly Descriptor[],
  ): Promise<ReadonlyMap<Digest, readonly Descriptor[]>> {
    if (entries === this.#entries) return this.#bySubject;
    const known = new Map<Digest, Digest | undefined>();
    const bySubject = new Map<Digest, Descriptor[]>();
    let isComplete = true;
    for (const entry of entries) {
      const { digest } = entry;
      if (!isDocumentMediaType(entry.mediaType)) continue;
      let subject = this.#known.get(digest);
      if (subject === undefined && !this.#known.has(digest)) {
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
    this.#known = known;
    this.#bySubject = bySubject;
    this.#entries = isComplete ? entries : undefined;
    return bySubject;
  }
}
