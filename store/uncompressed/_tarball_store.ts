import type { LayerSource } from "../../layer/extraction/stacking_extractor.ts";
import { OCI_LAYER } from "../../spec/image/media_types.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import type { BlobFiles } from "../content/blob_files.ts";
import { openBlobStream } from "../content/blob_stream.ts";
import type { ContentStore } from "../content/content_store.ts";
import { tarballsOf } from "../content/tarballs.ts";
import { settleFile } from "../content/verified_marks.ts";
import { removeIfAny, writeAll } from "../host/files.ts";
import { lockFile } from "../host/file_lock.ts";
import { ensureStoreFolder, ensureStoreRoot } from "../host/private_directory.ts";
import type { Layer, UncompressedOptions } from "../images/image.ts";

/**
 * Uncompressed layers, each in `tarballs/<alg>/<hex>` of a store by its DiffID.
 *
 * A file is renamed to its final name once its bytes match the digest. A file that has changed since
 * is made again.
 */
export class TarballStore {
  readonly #store: ContentStore;
  readonly #tarballs: BlobFiles;

  /** Opens the uncompressed layers of a store. */
  constructor(store: ContentStore) {
    this.#store = store;
    this.#tarballs = tarballsOf(store);
  }

  /**
   * Opens an uncompressed layer. Makes it if it is missing, once for all concurrent callers.
   *
   * @returns The layer, which reads the tarball.
   * @throws {DiffIdMismatchError} If the decompressed layer does not match the config.
   */
  async open(layer: Layer, options: UncompressedOptions = {}): Promise<LayerSource> {
    const { diffId } = layer;
    // The layer is not compressed in the first place.
    if (layer.digest === diffId) return layer;
    const isThere = await this.#tarballs.isIntact({ digest: diffId }, options.signal);
    if (!isThere) await this.#make(layer, options);
    const path = this.#tarballs.pathOf(diffId);
    const { size } = await Deno.lstat(path);
    return {
      descriptor: { mediaType: OCI_LAYER, digest: diffId, size },
      diffId,
      compressed: ({ signal } = {}) => openBlobStream(path, { signal }),
    };
  }

  async #make(layer: Layer, options: UncompressedOptions): Promise<void> {
    const { signal } = options;
    const { diffId } = layer;
    const { path: store, onWait } = this.#store;
    await ensureStoreRoot(store);
    for (const name of ["", `/${digestAlgorithm(diffId)}`, "/verified"]) {
      await ensureStoreFolder(`${store}/tarballs${name}`);
    }
    const path = this.#tarballs.pathOf(diffId);
    const part = `${path}.part`;
    using file = await lockFile(part, { signal, onWait });
    let isRenamed = false;
    try {
      // The previous holder of the lock may have made it.
      if (await this.#tarballs.isIntact({ digest: diffId }, signal)) return;
      await file.truncate();
      for await (const chunk of await layer.uncompressed(options)) {
        signal?.throwIfAborted();
        await writeAll(file, chunk);
      }
      await settleFile(file);
      await Deno.rename(part, path);
      isRenamed = true;
    } finally {
      // After the rename, a file with this name belongs to another process.
      if (!isRenamed) removeIfAny(part);
    }
    await this.#tarballs.markVerified(diffId, await file.stat());
  }
}
