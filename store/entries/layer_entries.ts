import type { SeekPoint } from "../../layer/compression/seek_points.ts";
import { type Digest, digestHex } from "../../spec/digest.ts";
import { digestAlgorithm } from "../../spec/digest_algorithm.ts";
import { LimitError } from "../../spec/errors.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreFileError, UntrustedStoreError } from "../errors.ts";
import { lstatIfAny } from "../host/durable.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/refused_write.ts";
import { MAX_INDEX_BYTES } from "./_index_format.ts";
import { LayerIndex } from "./layer_index.ts";

/** A layer of a store, as far as its index depends on it. */
export interface IndexedLayer {
  readonly digest: Digest;
  readonly diffId: Digest;
}

/**
 * The indexes of layers that have been read once, in `entries/<alg>-<hex>` of a store by the digest
 * of the layer's blob.
 *
 * An index is trusted as a mark of a verified blob is: in a store of one's own, while its digest is
 * right. A layout that is only read has none.
 */
export class LayerEntries {
  readonly #directory: string | undefined;

  /** Creates the view of a store. */
  constructor(store: ContentStore) {
    this.#directory = store.foreign ? undefined : `${store.path}/entries`;
  }

  /**
   * Reads the index of a layer whose blob has been verified.
   *
   * @returns The index; `undefined` if there is none, it is damaged or of another version, or it was
   * made of an archive with another digest than the layer's image says.
   */
  async read({ digest, diffId }: IndexedLayer): Promise<LayerIndex | undefined> {
    const bytes = ignoringFaults(() => {
      const path = this.#path(digest);
      return path && readSmallFile(path, { maxBytes: MAX_INDEX_BYTES });
    });
    if (bytes === undefined || bytes === "") return undefined;
    const index = await LayerIndex.read(bytes);
    return index?.diffId === diffId ? index : undefined;
  }

  /** Returns the last point at or before an offset of a layer's archive at which to start reading. */
  async seekPoint(digest: Digest, offset: number): Promise<SeekPoint | undefined> {
    const path = this.#path(digest);
    if (path === undefined || lstatIfAny(`${path}.seek`) === undefined) return undefined;
    const { findSeekPoint } = await import("./_seek_file.ts");
    try {
      return await findSeekPoint(`${path}.seek`, offset);
    } catch (error) {
      if (error instanceof StoreFileError) return undefined;
      throw error;
    }
  }

  /**
   * Returns where the index of a layer is to be written.
   *
   * @param digest Digest of the blob.
   * @param isKnown Whether an index that is there need not be made again.
   * @returns The path; `undefined` if nothing is to be written.
   */
  async missing(digest: Digest, isKnown = true): Promise<string | undefined> {
    const path = this.#path(digest);
    if (path === undefined || this.#directory === undefined) return undefined;
    if (isKnown && lstatIfAny(path) !== undefined) return undefined;
    try {
      await ensureStoreFolder(this.#directory);
      return path;
    } catch (error) {
      if (error instanceof UntrustedStoreError || isRefusedWrite(error)) return undefined;
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  #path(digest: Digest): string | undefined {
    if (this.#directory === undefined) return undefined;
    return `${this.#directory}/${digestAlgorithm(digest)}-${digestHex(digest)}`;
  }
}

/** Reads a file; one that may not be trusted is ignored, as its layer can be read instead. */
function ignoringFaults<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof StoreFileError || error instanceof LimitError) return undefined;
    throw error;
  }
}
