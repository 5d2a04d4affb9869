import { DigestMismatchError } from "../../spec/errors.ts";
import type {
  ContentOptions,
  NamedSource,
  NamedTarget,
  OpenContent,
  PushContentOptions,
} from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { isDocumentMediaType, isManifestMediaType } from "../../spec/image/media_types.ts";
import { assertVerifiable } from "../../spec/verifier.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreError } from "../errors.ts";
import { isReferrer, layoutReferrers } from "../images/layout_referrers.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { isStored } from "./stored_graph.ts";

/**
 * The content of a store, or of another OCI image layout; names are those of its `index.json`.
 *
 * A document that refers to another one through `subject` is listed in `index.json` without a name,
 * so that it can be found, as other tools do.
 *
 * @example Copy an image out of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, copyNamed, LayoutContent } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { manifest } = await pull("alpine:3.20", { store: "./store" });
 *
 * const source = new LayoutContent(await ContentStore.open("./store"));
 * const target = new LayoutContent(await ContentStore.open("./layout"));
 * await copyNamed(source, target, manifest.descriptor, "v1");
 *
 * assertEquals((await target.resolve("v1"))?.digest, manifest.descriptor.digest);
 * ```
 */
export class LayoutContent implements NamedSource, NamedTarget {
  readonly #store: ContentStore;

  /** Uses a store. */
  constructor(store: ContentStore) {
    this.#store = store;
  }

  /** Opens the bytes of a document or a blob. Verifies every complete read. */
  async fetch(
    descriptor: Descriptor,
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    assertVerifiable(descriptor.digest);
    if (await this.#store.has(descriptor)) return await this.#store.openBlob(descriptor, options);
    // Throws if the file has another size.
    await this.#store.verify(descriptor, options.signal);
    const { path } = this.#store;
    // A symlink or a pipe in its place is not a blob.
    throw new StoreError(`"${path}" does not have it as a file`, path, {
      code: "missing-content",
      action: `read ${descriptor.digest}`,
      advice: "Pull or copy the image again",
    });
  }

  /**
   * Returns whether it exists and is intact; for a manifest, also whether everything that it
   * references exists, and for one with a `subject`, whether it is listed in `index.json`.
   */
  async exists(descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<boolean> {
    try {
      if (!await this.#store.verify(descriptor, signal)) return false;
      // The layout may have lost blobs since the manifest was stored.
      const isManifest = isManifestMediaType(descriptor.mediaType);
      if (isManifest && !await isStored(this.#store, descriptor)) return false;
      // A copy that was killed may have stored a referrer without listing it.
      return !await isReferrer(this.#store, descriptor) || await this.#isListed(descriptor);
    } catch (error) {
      // Pushing replaces corrupt content.
      if (error instanceof DigestMismatchError) return false;
      throw error;
    }
  }

  /** Stores a document or a blob, which becomes visible when it is complete and verified. */
  async push(
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions = {},
  ): Promise<void> {
    const { signal, source, onBytes, onRetry } = options;
    let retries = 0;
    await this.#store.ingest(descriptor, open, {
      signal,
      source,
      onProgress: (progress) => {
        if (progress.retries > retries) onRetry?.(undefined);
        retries = progress.retries;
        onBytes?.(progress.bytes);
      },
    });
    if (!isDocumentMediaType(descriptor.mediaType)) return;
    const document = await readStoredDocument(this.#store, descriptor);
    if (document?.value.value.subject !== undefined) await this.#store.keep(descriptor, signal);
  }

  async #isListed({ digest }: Descriptor): Promise<boolean> {
    return (await this.#store.descriptors()).some((listed) => listed.digest === digest);
  }

  /** Finds the document that has a name. */
  async resolve(name: string): Promise<Descriptor | undefined> {
    return await this.#store.resolve(name);
  }

  /** Gives a stored document a name. */
  async tag(name: string, descriptor: Descriptor, { signal }: ContentOptions = {}): Promise<void> {
    await this.#store.tag(name, descriptor, signal);
  }

  /** Lists the documents whose `subject` is this one. */
  async referrers({ digest }: Descriptor): Promise<readonly Descriptor[]> {
    return await layoutReferrers(this.#store, digest);
  }
}
