import type { LayerSource } from "../../layer/extraction/stacking_extractor.ts";
import { OCI_LAYER } from "../../spec/image/media_types.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import type { BlobFiles } from "../blobs/blob_files.ts";
import { openBlobStream } from "../blobs/blob_stream.ts";
import type { ContentStore } from "../content/content_store.ts";
import { tarballsOf } from "../content/tarballs.ts";
import { lockFile } from "../host/file_lock.ts";
import { removeIfAny, withPath, writeAll } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { moveFile } from "../host/temporary_file.ts";
import type { Layer, UncompressedOptions } from "../images/image.ts";

/**
 * Opens the uncompressed archive of a layer, which is in `tarballs/<alg>/<hex>` of a store by its
 * DiffID. Makes it if it is missing or has changed, once for all concurrent callers. It is renamed to
 * its final name once its bytes match the digest.
 *
 * @returns The layer, which reads the archive.
 * @throws {DiffIdMismatchError} If the decompressed layer does not match the config.
 */
export async function openTarball(
  store: ContentStore,
  layer: Layer,
  options: UncompressedOptions = {},
): Promise<LayerSource> {
  const { diffId } = layer;
  // The layer is not compressed in the first place.
  if (layer.digest === diffId) return layer;
  const tarballs = tarballsOf(store);
  const isThere = await tarballs.isIntact({ digest: diffId }, options.signal);
  if (!isThere) await makeTarball(store, tarballs, layer, options);
  const path = tarballs.pathOf(diffId);
  const { size } = await Deno.lstat(path);
  return {
    descriptor: { mediaType: OCI_LAYER, digest: diffId, size },
    diffId,
    compressed: ({ signal } = {}) => openBlobStream(path, { signal }),
  };
}

async function makeTarball(
  { path: store, onWait }: ContentStore,
  tarballs: BlobFiles,
  layer: Layer,
  options: UncompressedOptions,
): Promise<void> {
  const { signal } = options;
  const { diffId } = layer;
  for (const name of ["", `/${digestAlgorithm(diffId)}`, "/verified"]) {
    await ensureStoreFolder(store, `tarballs${name}`);
  }
  const path = tarballs.pathOf(diffId);
  const part = `${path}.part`;
  using file = await lockFile(part, { signal, onWait });
  let isRenamed = false;
  try {
    // The previous holder of the lock may have made it.
    if (await tarballs.isIntact({ digest: diffId }, signal)) return;
    await file.truncate();
    for await (const chunk of await layer.uncompressed(options)) {
      signal?.throwIfAborted();
      await writeAll(file, chunk);
    }
    await tarballs.adopt(diffId, file, (path) => {
      moveFile(part, path);
      isRenamed = true;
    });
  } catch (error) {
    throw withPath(path, error);
  } finally {
    // After the rename, a file with this name belongs to another process.
    if (!isRenamed) removeIfAny(part);
  }
}
