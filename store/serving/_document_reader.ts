import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type ManifestDocument,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import type { ContentStore } from "../content/content_store.ts";
import { SizedCache } from "./_sized_cache.ts";

/** Maximum total size of the cached documents. */
const MAX_BYTES = 32 * 1024 * 1024;

/** Reads manifests and indexes of a store, and caches the most recently used ones. */
export class DocumentReader {
  readonly #store: ContentStore;
  readonly #known = new SizedCache<Digest, ManifestDocument>(MAX_BYTES);

  constructor(store: ContentStore) {
    this.#store = store;
  }

  /**
   * Reads a document.
   *
   * @returns The parsed document; `undefined` if it is missing, damaged, or neither a manifest nor
   * an index.
   */
  async read(descriptor: Descriptor): Promise<ManifestDocument | undefined> {
    if (!isDocumentMediaType(descriptor.mediaType)) return undefined;
    const { digest, mediaType } = descriptor;
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    try {
      const bytes = await this.#store.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
      // The manifests of other platforms may be missing.
      if (bytes === undefined) return undefined;
      const document = parseManifest(bytes, mediaType, Infinity);
      this.#known.add(digest, document, bytes.length);
      return document;
    } catch (error) {
      // Ignore a damaged manifest here; a request for its bytes reports the damage.
      const isDamaged = error instanceof DigestMismatchError || error instanceof SyntaxError ||
        error instanceof LimitError;
      if (isDamaged) return undefined;
      throw error;
    }
  }
}
