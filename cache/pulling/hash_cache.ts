import { formatReference, type Reference } from "../../registry/reference.ts";
import type { Digest } from "../../spec/digest.ts";
import { OciError } from "../../spec/errors.ts";
import type { ContentStore } from "../../store/content/content_store.ts";
import { findReference } from "../../store/content/layout_index.ts";

/** Remembers the digest that a reference last resolved to. */
export interface HashCache {
  /**
   * Returns the digest recorded for a reference.
   *
   * @param reference Reference of the image.
   * @returns The digest of its index or manifest, or `undefined` if none is recorded.
   */
  hash(reference: Reference): Promise<Digest | undefined>;
  /**
   * Records the digest of a reference. The image must already be in the image cache, so that every
   * recorded image is complete.
   *
   * @param reference Reference of the image.
   * @param digest The digest of its index or manifest.
   * @param signal Aborts the wait for another process.
   */
  writeHash(reference: Reference, digest: Digest, signal?: AbortSignal): Promise<void>;
}

/**
 * Keeps references in the `index.json` of a store.
 *
 * @example Look up the digest of a pulled image
 * ```ts
 * import { LayoutHashCache, pull } from "@x/oci";
 * import { parseReference } from "@x/oci/registry";
 * import { ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { digest } = await pull("alpine:3.20", { store: "./store" });
 *
 * const hashes = new LayoutHashCache(await ContentStore.open("./store"));
 *
 * assertEquals(await hashes.hash(parseReference("alpine:3.20")), digest);
 * ```
 */
export class LayoutHashCache implements HashCache {
  readonly #store: ContentStore;

  /** Creates the cache of a store. */
  constructor(store: ContentStore) {
    this.#store = store;
  }

  /** Returns the digest of a reference in `index.json`, which other tools may have shortened. */
  async hash(reference: Reference): Promise<Digest | undefined> {
    const references = await this.#store.references();
    return findReference(references, formatReference(reference))?.descriptor.digest;
  }

  /**
   * Records a reference in `index.json`.
   *
   * @throws {OciError} If the store does not have the manifest or index.
   */
  async writeHash(reference: Reference, digest: Digest, signal?: AbortSignal): Promise<void> {
    const name = formatReference(reference);
    const { readStoredDocument } = await import("../../store/images/stored_document.ts");
    const document = await readStoredDocument(this.#store, { digest });
    if (document === undefined) {
      throw new OciError("the store has no such manifest", {
        code: "missing-content",
        action: `record "${name}" as ${digest}`,
        subject: digest,
        advice: "Store it first",
      });
    }
    await this.#store.tag(name, document.descriptor, signal);
  }
}
