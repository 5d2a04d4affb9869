import type { SeekPoint } from "../../layer/compression/seek_points.ts";
import type { Digest } from "../../spec/digest.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import type { RemoteLayer } from "../../spec/image/image.ts";
import { digestName } from "../../spec/verifier.ts";
import type { ContentStore } from "../content/content_store.ts";
import { lstatIfAny } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { ensureStoreFolder, UntrustedStoreError } from "../host/private_directory.ts";
import { readSmallFile, unlessFaulty } from "../host/read_small_file.ts";
import { isRefusedWrite } from "../host/system_error.ts";
import { MAX_ENTRY_INDEX_BYTES } from "./_index_format.ts";
import { replaceSealed } from "./_sealed_file.ts";
import type { RecordPlan } from "./extract_recorded.ts";
import { LayerIndex } from "./layer_index.ts";

/** The part of a layer that identifies its index. */
type IndexedLayer = Pick<RemoteLayer, "descriptor" | "diffId">;

/**
 * Returns the path of a layer's index, by the digest of its blob; the seek points are beside it.
 *
 * Like the mark of a verified blob, an index is trusted in the user's own store, and only if its
 * own digest matches. A foreign layout, which is only read, has none.
 */
function pathOf({ path, foreign }: ContentStore, digest: Digest): string | undefined {
  return foreign ? undefined : `${path}/entries/${digestName(digest)}`;
}

/** Whether a store has the file of a layer's index. It may be damaged. */
export function hasLayerIndex(store: ContentStore, digest: Digest): boolean {
  const path = pathOf(store, digest);
  return path !== undefined && lstatIfAny(path) !== undefined;
}

/**
 * Reads the index of a layer that has been read once, and whose blob has been verified.
 *
 * @returns The index; `undefined` if there is none, it is damaged or of another version, or it
 * was made from an archive whose digest differs from the DiffID in the image.
 */
export async function readLayerIndex(
  store: ContentStore,
  { descriptor, diffId }: IndexedLayer,
): Promise<LayerIndex | undefined> {
  const path = pathOf(store, descriptor.digest);
  if (path === undefined) return undefined;
  // The layer can be read instead.
  const bytes = unlessFaulty(() => readSmallFile(path, { maxBytes: MAX_ENTRY_INDEX_BYTES }));
  if (bytes === undefined) return undefined;
  const index = await LayerIndex.read(bytes) ?? await replaceRecords(path, bytes);
  return index?.diffId === diffId ? index : undefined;
}

/** Returns the last point at or before an offset of the archive where decompression can start. */
export async function seekPointBefore(
  store: ContentStore,
  digest: Digest,
  offset: number,
): Promise<SeekPoint | undefined> {
  const path = pathOf(store, digest);
  if (path === undefined || lstatIfAny(`${path}.seek`) === undefined) return undefined;
  const { findSeekPoint } = await import("./seek_file.ts");
  return await unlessRejected(findSeekPoint(`${path}.seek`, offset), StoreFileError);
}

/**
 * Plans what to record about a layer while it is read.
 *
 * @param options Whether to replace an existing index; by default, it stays.
 * @returns The plan; `undefined` if nothing is to be recorded.
 */
export async function planRecords(
  store: ContentStore,
  { descriptor, diffId }: IndexedLayer,
  { replaces = false }: { readonly replaces?: boolean } = {},
): Promise<RecordPlan | undefined> {
  const path = pathOf(store, descriptor.digest);
  if (path === undefined) return undefined;
  if (!replaces && lstatIfAny(path) !== undefined) return undefined;
  try {
    await ensureStoreFolder(store.path, "entries");
    return { path, diffId };
  } catch (error) {
    if (error instanceof UntrustedStoreError || isRefusedWrite(error)) return undefined;
    throw error;
  }
}

/** Makes an index of the entries that an extraction recorded, and replaces them with it. */
async function replaceRecords(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<LayerIndex | undefined> {
  const { makeIndex } = await import("./_index_builder.ts");
  const index = await makeIndex(bytes);
  if (index === undefined) return undefined;
  replaceSealed(path, [index]);
  return await LayerIndex.read(index);
}
