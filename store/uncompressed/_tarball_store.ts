import type { LayerSource } from "../../layer/extraction/stacking_extractor.ts";
import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { OCI_LAYER } from "../../spec/image/media_types.ts";
import { digestAlgorithm, Verifier } from "../../spec/verifier.ts";
import { openBlobStream } from "../content/blob_stream.ts";
import type { ContentStore } from "../content/content_store.ts";
import { tarballMarks, tarballPath } from "../content/tarballs.ts";
import { settleFile, type VerifiedMarks } from "../content/verified_marks.ts";
import { lstatIfAny, removeIfAny, writeAll } from "../host/files.ts";
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
  readonly #store: string;
  readonly #onWait: ((message: string) => void) | undefined;
  readonly #marks: VerifiedMarks;

  /** Opens the uncompressed layers of a store. */
  constructor(store: ContentStore) {
    this.#store = store.path;
    this.#onWait = store.onWait;
    this.#marks = tarballMarks(store.path);
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
    const path = tarballPath(this.#store, diffId);
    const size = await this.#intactSize(diffId, options.signal) ??
      await this.#make(layer, options);
    return {
      descriptor: { mediaType: OCI_LAYER, digest: diffId, size },
      diffId,
      compressed: ({ signal } = {}) => openBlobStream(path, { signal }),
    };
  }

  /** Returns the size of a tarball if it exists and matches its name. */
  async #intactSize(diffId: Digest, signal: AbortSignal | undefined): Promise<number | undefined> {
    const path = tarballPath(this.#store, diffId);
    const info = lstatIfAny(path);
    if (info === undefined || !info.isFile) return undefined;
    if (this.#marks.holds(diffId, info)) return info.size;
    try {
      const verifier = new Verifier({ digest: diffId }, `"${path}"`);
      const bytes = await openBlobStream(path, { verifier, signal });
      await bytes.pipeTo(new WritableStream());
    } catch (error) {
      if (error instanceof DigestMismatchError) return undefined;
      throw error;
    }
    await this.#marks.set(diffId, info);
    return info.size;
  }

  async #make(layer: Layer, options: UncompressedOptions): Promise<number> {
    const { signal } = options;
    const { diffId } = layer;
    const path = tarballPath(this.#store, diffId);
    await ensureStoreRoot(this.#store);
    for (const name of ["", `/${digestAlgorithm(diffId)}`, "/verified"]) {
      await ensureStoreFolder(`${this.#store}/tarballs${name}`);
    }
    const part = `${path}.part`;
    using file = await lockFile(part, { signal, onWait: this.#onWait });
    // The previous holder of the lock may have made it.
    const size = await this.#intactSize(diffId, signal);
    let isRenamed = false;
    try {
      if (size !== undefined) return size;
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
    const info = await file.stat();
    await this.#marks.set(diffId, info);
    return info.size;
  }
}
