import type { Digest } from "../../spec/digest.ts";
import { type Descriptor, readLooseDescriptors } from "../../spec/image/descriptor.ts";
import { MAX_MANIFEST_BYTES } from "../../spec/image/manifest.ts";
import type { ContentStore } from "../content/content_store.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import { fetchTable } from "./_fetch_table.ts";
import type { BlobSource } from "./_read_range.ts";
import type { ContentChunk } from "./_table_entry.ts";
import { hasTable } from "./has_table.ts";

export interface StoredChunk extends ContentChunk {
  readonly layer: BlobSource;
}

/** Chunks of layers in the store, by digest. */
export type StoredChunks = ReadonlyMap<Digest, StoredChunk>;

/** Number of bytes below which fetching them is faster than looking for them. */
const MIN_BYTES = 256 * 1024;
/** Maximum number of manifests and indexes to look up. Each one takes about a tenth of a millisecond. */
const MAX_LOOKUPS = 100;
/** Maximum number of bytes that compression adds to a chunk, with headers around it. */
const OVERHEAD_BYTES = 16 * 1024;

/**
 * Finds chunks in other layers in the store that have a table of contents, such as those of another
 * version of the image. Reads no more bytes of tables than there are bytes to save, so a lookup
 * takes no longer than fetching the chunks.
 *
 * The tables can be wrong: verify the chunks.
 */
export async function findStoredChunks(
  store: ContentStore,
  chunks: readonly ContentChunk[],
  signal: AbortSignal | undefined,
): Promise<StoredChunks> {
  const found = new Map<Digest, StoredChunk>();
  const wanted = new Map<Digest, number>();
  let budget = 0;
  for (const { digest, start, end, size } of chunks) {
    if (digest === undefined) continue;
    wanted.set(digest, size);
    budget += end - start;
  }
  if (budget < MIN_BYTES) return found;
  for await (const descriptor of layersWithTable(store, signal)) {
    const compressed: BlobSource["compressed"] = (options) => store.openBlob(descriptor, options);
    const layer = { descriptor, compressed, source: undefined };
    const table = await ignoreErrors(() => fetchTable(layer, signal, budget), signal);
    for (const { chunks = [] } of table?.entries ?? []) {
      for (const chunk of chunks) {
        const { digest, start, end, skip, size } = chunk;
        if (digest === undefined || wanted.get(digest) !== size) continue;
        // A table could make each chunk cost much more than it saves.
        if (skip > 0 || end - start > size + OVERHEAD_BYTES) continue;
        found.set(digest, { ...chunk, layer });
        wanted.delete(digest);
      }
    }
    budget -= Math.max(table?.bytes ?? 0, MIN_BYTES);
    if (wanted.size === 0 || budget < MIN_BYTES) break;
  }
  return found;
}

/**
 * Yields the layers of images that have a table and are in the store, the newest image first. Does
 * not verify the manifests, because the chunks are verified.
 */
async function* layersWithTable(
  store: ContentStore,
  signal: AbortSignal | undefined,
): AsyncGenerator<Descriptor, void, void> {
  const pending = [...await ignoreErrors(() => store.descriptors(), signal) ?? []];
  const seen = new Set<Digest>();
  for (let lookups = 0; lookups < MAX_LOOKUPS; lookups++) {
    const document = pending.pop();
    if (document === undefined) return;
    const { manifests, layers } = await ignoreErrors(() => {
      const path = store.blobPath(document.digest);
      return readJsonFile(path, { maxBytes: MAX_MANIFEST_BYTES, foreign: true });
    }, signal) ?? {};
    pending.push(...readLooseDescriptors(manifests));
    for (const descriptor of readLooseDescriptors(layers)) {
      if (!hasTable({ descriptor }) || seen.has(descriptor.digest)) continue;
      seen.add(descriptor.digest);
      if (await store.has(descriptor)) yield descriptor;
    }
  }
}

/** Returns `undefined` in place of an error: whatever the store lacks is fetched. */
async function ignoreErrors<T>(
  read: () => T | Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  try {
    return await read();
  } catch {
    signal?.throwIfAborted();
    return undefined;
  }
}
