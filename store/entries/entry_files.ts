import { type Digest, isDigest } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import type { ContentStore } from "../content/content_store.ts";
import { fileAge, lstatIfAny, namesIn } from "../host/files.ts";
import { openRegularFile, StoreFileError } from "../host/open_regular_file.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import { INDEX_MAGIC, MAX_ENTRY_INDEX_BYTES } from "./_index_format.ts";
import { readRecords, RECORDS_MAGIC } from "./entry_recorder.ts";
import { LayerIndex } from "./layer_index.ts";
import { checkSeekFile, POINTS_MAGIC } from "./seek_file.ts";

/** A file in `entries/` of a store. */
export interface EntryFile {
  readonly path: string;
  /** Digest of the blob that it belongs to; `undefined` for leftovers of killed processes. */
  readonly digest: Digest | undefined;
  readonly bytes: number;
}

/** Age below which a temporary file may still be in use. */
const WRITING_MS = 3_600_000;
const VERSION = /^oci (?:entries|points|records) [0-9]+\n+$/;
const VERSIONS = new Set([INDEX_MAGIC, POINTS_MAGIC, RECORDS_MAGIC]);
const NAME = /^([a-z0-9]+)-([0-9a-f]+)(\.seek)?$/;

/** Lists the files in `entries/` of a store, except those that are being written. */
export function listEntryFiles(store: ContentStore): readonly EntryFile[] {
  const files: EntryFile[] = [];
  for (const name of namesIn(`${store.path}/entries`).toSorted()) {
    const path = `${store.path}/entries/${name}`;
    const info = lstatIfAny(path);
    if (info === undefined || info.isDirectory) continue;
    const [, algorithm, hex] = NAME.exec(name) ?? [];
    const digest = `${algorithm}:${hex}` as const;
    const isRecent = fileAge(info.mtime) < WRITING_MS;
    if (name.endsWith(".tmp") && isRecent) continue;
    files.push({ path, digest: isDigest(digest) ? digest : undefined, bytes: info.size });
  }
  return files;
}

/** Whether a file in `entries/` is useful: its blob exists, and the file is not damaged. */
export async function isEntryFileIntact(
  store: ContentStore,
  { path, digest }: EntryFile,
): Promise<boolean> {
  if (digest === undefined || !await store.has(digest)) return false;
  try {
    using opened = openRegularFile(path);
    if (opened === undefined) return true;
    const head = new Uint8Array(INDEX_MAGIC.length);
    await opened.file.read(head);
    const version = new TextDecoder().decode(head);
    // A file of another version is not damaged. It is replaced when its layer is read.
    if (VERSION.test(version) && !VERSIONS.has(version)) return true;
    if (path.endsWith(".seek")) return await checkSeekFile(path);
    const bytes = readSmallFile(path, { maxBytes: MAX_ENTRY_INDEX_BYTES });
    return bytes === undefined ||
      (await LayerIndex.read(bytes) ?? await readRecords(bytes)) !== undefined;
  } catch (error) {
    if (error instanceof StoreFileError || error instanceof LimitError) return false;
    throw error;
  }
}
