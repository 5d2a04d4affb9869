import { formatReference, parseReference, type Reference } from "../../registry/reference.ts";
import { type Digest, DIGEST_ALGORITHMS, isDigest } from "../../spec/digest.ts";
import { isDiskFull, problemOf } from "../../spec/error_facts.ts";
import { type Descriptor, readLayoutEntry } from "../../spec/image/descriptor.ts";
import { isIndexMediaType, OCI_INDEX } from "../../spec/image/media_types.ts";
import { isObject, present } from "../../spec/json.ts";
import { otherCaseOf, parseDocument } from "../../spec/json_reader.ts";
import { releaseMarks } from "../blobs/verified_marks.ts";
import { StoreError } from "../errors.ts";
import { fileStamp, lstatIfAny, replaceFile, syncDirectory } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import type { ContentStoreOptions } from "./content_store_options.ts";

/** Annotation with the reference of an entry of `index.json`. */
export const REF_NAME = "org.opencontainers.image.ref.name";
/** Annotation with the full reference, which containerd adds if `ref.name` is only a tag. */
export const CONTAINERD_NAME = "io.containerd.image.name";
/** Maximum size of an `index.json` file, enough for about 200,000 references. */
const MAX_INDEX_BYTES = 64 * 1024 * 1024;

/** A reference and the descriptor that it stands for. */
export interface StoredReference {
  /** The full reference; other tools may have written arbitrary text or only a tag. */
  readonly name: string;
  /** The index of a multi-platform image, else the manifest. */
  readonly descriptor: Descriptor;
}

/** An entry of `index.json`, at its position in the list. */
export interface LayoutEntry extends Partial<StoredReference> {
  /** Digests in an entry that is not a descriptor; only then is `descriptor` absent. */
  readonly digests?: readonly Digest[] | undefined;
}

/** An entry to record. */
export interface RecordedEntry {
  /** The full reference; absent for an entry without a name. */
  readonly name?: string | undefined;
  /** The index of a multi-platform image, else the manifest. */
  readonly descriptor: Descriptor;
  /** Annotations of a new entry, in addition to its name. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** The parsed `index.json`, with all members that other tools have written. */
interface RawIndex {
  [member: string]: unknown;
  manifests: RawEntry[];
}

type RawEntry = Record<string, unknown>;

/** The parsed file, and lists derived from it. */
interface ParsedIndex {
  /** Text of the file; `undefined` if there is none. */
  readonly text: string | undefined;
  readonly index: Readonly<RawIndex>;
  /** Stamp of the file with this text, if any later change would alter the stamp. */
  stamp?: string | undefined;
  entries?: readonly LayoutEntry[];
  references?: readonly StoredReference[];
  descriptors?: readonly Descriptor[];
}

/** Advice for a file that is not an index. */
const ADVICE = "Restore it, or move the directory away to start over";

/**
 * The `index.json` of an OCI image layout, which maps references to digests.
 *
 * Every change holds an flock, reads the current file and replaces it atomically. Readers need no
 * lock and see the state before or after a change. Members, annotations and entries that other
 * tools have written are preserved.
 *
 * See {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md | image-layout.md}.
 */
export class LayoutIndex {
  readonly #layout: string;
  readonly #options: ContentStoreOptions;
  /** Result of the last read, for a server that reads the file with each request. */
  #parsed: ParsedIndex | undefined;

  /** Creates the index of a layout; its directory `locks` must exist before a change. */
  constructor(layout: string, options: ContentStoreOptions = {}) {
    this.#layout = layout;
    this.#options = options;
  }

  /** Locks the index, and the layout's version file, against changes by other processes. */
  async lock(signal: AbortSignal | undefined): Promise<Disposable> {
    const { onWait } = this.#options;
    // Loaded on demand, because a cached pull does not change the index.
    const { lockFile } = await import("../host/file_lock.ts");
    return await lockFile(`${this.#layout}/locks/index.lock`, { signal, onWait });
  }

  /**
   * Lists all entries, including those that are not descriptors. Other tools may be able to read
   * these, so their content must stay.
   *
   * @returns The entries, in order; none if there is no `index.json`. While the file does not change,
   * all calls return the same array.
   * @throws {StoreError} If `index.json` is invalid.
   */
  entries(): Promise<readonly LayoutEntry[]> {
    return Promise.try(() => entriesOf(this.#read()));
  }

  /** Lists the entries that have a name, in the same way. */
  references(): Promise<readonly StoredReference[]> {
    return Promise.try(() => {
      const parsed = this.#read();
      return parsed.references ??= entriesOf(parsed).filter(isReference);
    });
  }

  /** Lists the descriptors of all entries, including those without a name, in the same way. */
  descriptors(): Promise<readonly Descriptor[]> {
    return Promise.try(() => {
      const parsed = this.#read();
      return parsed.descriptors ??= entriesOf(parsed).flatMap(({ descriptor }) => descriptor ?? []);
    });
  }

  /**
   * Records entries in one change, once the names of the blobs have reached the disk. A name
   * replaces its earlier entries, at the place of the first. An entry without a name is added
   * if there is no entry for its digest.
   *
   * @param entries Names, each with an index or a manifest; of equal names, the last one counts.
   * @param signal Aborts the wait for the lock.
   */
  async record(entries: readonly RecordedEntry[], signal?: AbortSignal): Promise<void> {
    const named = new Map<string, RecordedEntry>();
    for (const entry of entries) if (entry.name !== undefined) named.set(entry.name, entry);
    for (const name of DIGEST_ALGORITHMS) await syncDirectory(`${this.#layout}/blobs/${name}`);
    // A process that is already pruning would not see the new entries.
    const { lockPruning } = await import("./hold.ts");
    const { onWait } = this.#options;
    using _lock = await lockPruning(this.#layout, "hold", { signal, onWait });
    await this.#change(signal, (index) => {
      const before = index.manifests;
      const same = sameEntries(before, named);
      const missing = new Map(named);
      const after = before.flatMap((entry) => {
        const name = entryName(entry);
        const recorded = name === undefined ? undefined : named.get(name);
        if (name === undefined || recorded === undefined) return [entry];
        return missing.delete(name) ? [same.get(name) ?? newEntry(recorded)] : [];
      });
      for (const recorded of missing.values()) after.push(newEntry(recorded));
      const digests = new Set(after.map(({ digest }) => digest));
      for (const recorded of entries) {
        const { name, descriptor: { digest } } = recorded;
        if (name !== undefined || digests.has(digest)) continue;
        digests.add(digest);
        after.push(newEntry(recorded));
      }
      index.manifests = after;
      return after.length !== before.length || after.some((entry, i) => entry !== before[i]);
    });
  }

  /**
   * Removes names. Their content stays in the store until it is pruned.
   *
   * @param names The references.
   * @param signal Aborts the wait for the lock.
   * @returns The names that were recorded.
   */
  async untag(names: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    const unwanted = new Set(names);
    const removed = new Set<string>();
    await this.#change(signal, (index) => {
      index.manifests = index.manifests.filter((entry) => {
        const name = entryName(entry);
        if (name === undefined || !unwanted.has(name)) return true;
        removed.add(name);
        return false;
      });
      return removed.size > 0;
    });
    return names.filter((name) => removed.has(name));
  }

  /** Removes entries without a name whose digest is unwanted. */
  async dropEntries(isUnwanted: (digest: Digest) => boolean, signal?: AbortSignal): Promise<void> {
    await this.#change(signal, (index) => {
      const kept = index.manifests.filter((entry) => {
        return entryName(entry) !== undefined || !isDigest(entry.digest) ||
          !isUnwanted(entry.digest);
      });
      const isChanged = kept.length < index.manifests.length;
      index.manifests = kept;
      return isChanged;
    });
  }

  /** Writes an empty index if there is none. */
  async create(signal?: AbortSignal): Promise<void> {
    if (lstatIfAny(`${this.#layout}/index.json`) !== undefined) return;
    await this.#change(signal, () => false);
  }

  async #change(
    signal: AbortSignal | undefined,
    change: (index: RawIndex) => boolean,
  ): Promise<void> {
    using _lock = await this.lock(signal);
    // Compare the bytes of the file: a network file system may report outdated times.
    if (this.#parsed !== undefined) this.#parsed.stamp = undefined;
    const { text: before, index } = this.#read();
    const isNew = Object.keys(index).length === 1;
    const base: RawIndex = isNew
      ? { schemaVersion: 2, mediaType: OCI_INDEX, manifests: index.manifests }
      : { ...index };
    if (!change(base) && !isNew) return;
    const text = JSON.stringify(base);
    const bytes = new TextEncoder().encode(text);
    const replace = () => replaceFile(this.#layout, "index.json", bytes);
    await replace().catch((error) => {
      // A user who removes names frees space, and therefore must not need any.
      if (!isDiskFull(error) || text.length >= (before?.length ?? 0)) throw error;
      releaseMarks(`${this.#layout}/verified`, bytes.length);
      return replace();
    });
    this.#parsed = { text, index: base };
  }

  /** Reads the file, and parses it if it has changed. Without a file, there are no entries. */
  #read(): ParsedIndex {
    const path = `${this.#layout}/index.json`;
    const { foreign } = this.#options;
    const stamp = fileStamp(path);
    if (stamp !== undefined && this.#parsed?.stamp === stamp) return this.#parsed;
    const bytes = readSmallFile(path, { maxBytes: MAX_INDEX_BYTES, foreign, advice: ADVICE });
    if (bytes === undefined) return { text: undefined, index: { manifests: [] } };
    const text = DECODER.decode(bytes);
    if (this.#parsed?.text === text) {
      this.#parsed.stamp = stamp;
      return this.#parsed;
    }
    const value = parseIndex(text, path);
    // Go writes an empty list as null.
    const manifests = value.manifests ?? [];
    if (isIndex(value) && Array.isArray(manifests) && manifests.every(isObject)) {
      return this.#parsed = { text, index: { ...value, manifests }, stamp };
    }
    throw new StoreError("it is not the index of an OCI image layout", path, {
      code: "store-file",
      action: `read "${path}"`,
      advice: ADVICE,
    });
  }
}

/** Replaces invalid UTF-8 as readers in Go do, and keeps a byte order mark, which they reject. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

function parseIndex(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = parseDocument(text, `"${path}"`).value();
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    const problem = problemOf(cause);
    throw new StoreFileError("syntax", path, "read", ADVICE, { cause, problem });
  }
  if (isObject(value)) return value;
  throw new StoreFileError("shape", path, "read", ADVICE);
}

/** Members of an index, and those by which it could be taken for a manifest (CVE-2021-41190). */
const INDEX_MEMBERS = ["schemaVersion", "mediaType", "manifests", "config", "layers"];

/** Whether a document is an index for every reader. */
function isIndex(document: Readonly<Record<string, unknown>>): boolean {
  const { schemaVersion, mediaType, config, layers } = document;
  // Some tools write a manifest list of Docker as it is.
  return schemaVersion === 2 && isIndexMediaType(`${mediaType ?? OCI_INDEX}`) &&
    (config ?? layers ?? undefined) === undefined &&
    otherCaseOf(document, INDEX_MEMBERS) === undefined;
}

function entryName(entry: RawEntry): string | undefined {
  if (!isObject(entry.annotations)) return undefined;
  const { [REF_NAME]: name, [CONTAINERD_NAME]: containerd } = entry.annotations;
  if (typeof containerd === "string") return containerd;
  return typeof name === "string" ? name : undefined;
}

/** Parsed entries: most stay the same after a change. */
const READ = new WeakMap<RawEntry, LayoutEntry>();

function entriesOf(parsed: ParsedIndex): readonly LayoutEntry[] {
  return parsed.entries ??= parsed.index.manifests.map((entry) => {
    return READ.getOrInsertComputed(entry, () => {
      const descriptor = readLayoutEntry(entry);
      const digests = descriptor ? undefined : Object.values(entry).filter(isDigest);
      return present({ name: entryName(entry), descriptor, digests });
    });
  });
}

function isReference(entry: LayoutEntry): entry is StoredReference {
  return entry.name !== undefined && entry.descriptor !== undefined;
}

/** Returns the first entry of each name that already stands for the same digest. */
function sameEntries(
  entries: readonly RawEntry[],
  named: ReadonlyMap<string, RecordedEntry>,
): ReadonlyMap<string, RawEntry> {
  const same = new Map<string, RawEntry>();
  for (const entry of entries) {
    const name = entryName(entry);
    if (name === undefined || same.has(name)) continue;
    if (named.get(name)?.descriptor.digest === entry.digest) same.set(name, entry);
  }
  return same;
}

/** Creates an entry with the type, digest and size of the content, and the name. */
function newEntry({ name, descriptor, annotations }: RecordedEntry): RawEntry {
  const { mediaType, digest, size, artifactType } = descriptor;
  return {
    mediaType,
    digest,
    size,
    ...present({
      artifactType,
      annotations: name === undefined ? annotations : { ...annotations, [REF_NAME]: name },
    }),
  };
}

/** Returns the annotations for a name that other tools read in a layout. */
export function nameAnnotations(name: string): Readonly<Record<string, string>> {
  const reference = parseStoredName(name);
  const isFull = reference !== undefined && reference.digest === undefined &&
    formatReference(reference) === name;
  return { ...isFull ? { [CONTAINERD_NAME]: name } : {}, [REF_NAME]: name };
}

/**
 * Finds the entry of a name. Other tools write short names, such as `alpine:3` or only a tag, so a
 * name also matches entries with the same full reference; an exact match takes precedence.
 *
 * @param references The entries.
 * @param name The name, in full or short.
 * @returns The entry, or `undefined` if there is none.
 */
export function findReference(
  references: readonly StoredReference[],
  name: string,
): StoredReference | undefined {
  const exact = references.find((reference) => reference.name === name);
  if (exact !== undefined) return exact;
  const full = completeName(name);
  return references.find((reference) => reference.name === full) ??
    references.find((reference) => completeName(reference.name) === full);
}

/** Returns the full reference of a name, as docker completes it; returns other text unchanged. */
export function completeName(name: string): string {
  const reference = parseStoredName(name);
  return reference === undefined ? name : formatReference(reference);
}

/** Parses a name of an entry; `undefined` for other text, which another tool may have written. */
export function parseStoredName(name: string): Reference | undefined {
  try {
    return parseReference(name);
  } catch {
    return undefined;
  }
}
