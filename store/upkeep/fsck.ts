import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { type Digest, DIGEST_ALGORITHMS, isDigest } from "../../spec/digest.ts";
import { describeError, unlessRejected } from "../../spec/error_facts.ts";
import { DigestMismatchError, OciError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseManifest } from "../../spec/image/manifest.ts";
import { layerMediaType } from "../../spec/image/media_types.ts";
import { BundleRecords } from "../bundles/bundle_records.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import type { ContentStore } from "../content/content_store.ts";
import { lockPruning } from "../content/hold.ts";
import { isVersionDamaged } from "../content/layout_directory.ts";
import { type LayoutEntry, LayoutIndex } from "../content/layout_index.ts";
import { isEntryFileIntact, listEntryFiles } from "../entries/entry_files.ts";
import { lstatIfAny, namesIn, removeIfAny } from "../host/files.ts";
import { ensureStoreFolder } from "../host/private_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import { readStoredDocument } from "../images/stored_document.ts";
import { hasIntactRecord } from "../overlay/extracted_layer.ts";
import { blobsIn, eachName, hasBlob } from "./_blobs_in.ts";
import { findGraphFaults } from "./_graph_faults.ts";
import { findReachable } from "./_reachable.ts";
import type { Finding, FindingKind, FsckOptions, StoreCheck } from "./fsck_options.ts";

/**
 * Verifies a store: that every blob matches its digest, that every name leads to complete content,
 * and that extracted layers are complete.
 *
 * A platform of an index that was never pulled is not damage. An incomplete image is.
 *
 * @param store The store.
 * @param options Whether to repair, sources of content, and callbacks.
 * @returns Totals and findings.
 *
 * @example Find a blob that has changed
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, fsck } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { layers: [layer] } = await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 * if (layer !== undefined) await Deno.writeTextFile(store.blobPath(layer.digest), "damaged");
 *
 * const { findings } = await fsck(store);
 *
 * assertEquals(findings.map(({ kind, subject }) => [kind, subject]), [["corrupt", layer?.digest]]);
 * ```
 */
export async function fsck(store: ContentStore, options: FsckOptions = {}): Promise<StoreCheck> {
  return await new StoreChecker(store, options).run();
}

/** Size of a blob, and its media type if it is a document. */
type ActualDescriptor = Pick<Descriptor, "size"> & Partial<Pick<Descriptor, "mediaType">>;

class StoreChecker {
  readonly #store: ContentStore;
  readonly #options: FsckOptions;
  readonly #repairs: boolean;
  readonly #findings: Finding[] = [];
  /** What the bytes of named blobs say: very many names may have the same blob. */
  readonly #actual = new Map<Digest, Promise<ActualDescriptor | undefined>>();
  #blobs = 0;
  #bytes = 0;

  constructor(store: ContentStore, options: FsckOptions) {
    this.#store = store;
    this.#options = options;
    this.#repairs = options.repair === true;
  }

  async run(): Promise<StoreCheck> {
    const { path } = this.#store;
    const result = () => ({ blobs: this.#blobs, bytes: this.#bytes, findings: this.#findings });
    if (lstatIfAny(path) === undefined) return result();
    // Check before holding the store, which writes a version file and an empty index if missing.
    const hasBlobs = await hasBlob(path, this.#options.signal);
    const hasIndex = lstatIfAny(`${path}/index.json`) !== undefined;
    await this.#checkVersion(hasIndex || hasBlobs);
    using _hold = this.#repairs ? await this.#store.hold(this.#options.signal) : undefined;
    await this.#checkIndex(hasIndex || !hasBlobs);
    const corrupt = await this.#checkBlobs();
    const names = await this.#checkNames(corrupt);
    // Unreferenced content is not fetched again.
    for (const digest of corrupt) {
      if (!names.has(digest)) this.#note("corrupt", digest);
    }
    await this.#checkLayers();
    await this.#checkEntries();
    return result();
  }

  /** Adds a finding. By default, it has no names and counts as repaired if repairs are requested. */
  #note(
    kind: FindingKind,
    subject: string,
    details: Partial<Finding> = {},
  ): void {
    const unset = { names: [], repaired: this.#repairs, reason: undefined };
    this.#findings.push({ kind, subject, ...unset, ...details });
  }

  /** Checks the version file. Holding the store writes a new one. */
  async #checkVersion(hasContent: boolean): Promise<void> {
    const { path: root } = this.#store;
    const path = `${root}/oci-layout`;
    const isThere = lstatIfAny(path) !== undefined;
    if (isThere ? !isVersionDamaged(root) : !hasContent) return;
    if (this.#repairs && isThere) await this.#quarantine(path, "oci-layout");
    this.#note("version", path);
  }

  /**
   * Checks that the index is readable. To repair it, makes a new one with an entry for each manifest
   * that no other document references.
   */
  async #checkIndex(hasIndex: boolean): Promise<void> {
    const { path: root } = this.#store;
    const path = `${root}/index.json`;
    const entries = await this.#listEntries();
    if (hasIndex && entries !== undefined) return;
    if (this.#repairs) {
      if (entries === undefined) await this.#quarantine(path, "index.json");
      await new LayoutIndex(root).create(this.#options.signal);
      const orphans = await this.#orphans();
      await this.#store.record(orphans.map((descriptor) => ({ descriptor })), this.#options.signal);
    }
    this.#note("index", path);
  }

  /** Lists the entries of the index; `undefined` if it cannot be read. */
  async #listEntries(): Promise<readonly LayoutEntry[] | undefined> {
    return await unlessRejected(new LayoutIndex(this.#store.path).entries(), OciError);
  }

  /** Finds the documents in the store that no other document references. */
  async #orphans(): Promise<readonly Descriptor[]> {
    const documents: Descriptor[] = [];
    for (const digest of await blobsIn(this.#store.path, this.#options.signal)) {
      try {
        const document = await readStoredDocument(this.#store, { digest });
        if (document !== undefined) documents.push(document.descriptor);
      } catch {
        // The blob is too large for a document, is not one, or is damaged.
      }
    }
    const children = new Set<Digest>();
    for (const document of documents) {
      const { descriptors } = await findReachable(this.#store, [document]);
      for (const digest of descriptors.keys()) if (digest !== document.digest) children.add(digest);
    }
    return documents.filter(({ digest }) => !children.has(digest));
  }

  /** Hashes all blobs, including those that were verified before. Returns the corrupt ones. */
  async #checkBlobs(): Promise<ReadonlySet<Digest>> {
    const { signal, onProgress } = this.#options;
    await this.#checkStrays();
    const sizes = new Map<Digest, number>();
    const turn = new WorkTurn();
    for (const digest of await blobsIn(this.#store.path, signal)) {
      if (turn.isOver()) await turn.next(signal);
      const info = lstatIfAny(this.#store.blobPath(digest));
      if (info?.isFile) sizes.set(digest, info.size);
    }
    const total = sizes.values().reduce((sum, size) => sum + size, 0);
    const corrupt = new Set<Digest>();
    for (const [digest, size] of sizes) {
      signal?.throwIfAborted();
      this.#store.distrust(digest);
      try {
        await this.#store.verify({ digest }, signal);
        this.#blobs++;
        this.#bytes += size;
      } catch (error) {
        if (!(error instanceof DigestMismatchError)) throw error;
        corrupt.add(digest);
        if (this.#repairs) {
          await this.#quarantine(this.#store.blobPath(digest), digest.replace(":", "-"));
        }
      }
      onProgress?.(this.#bytes, total);
    }
    return corrupt;
  }

  async #checkStrays(): Promise<void> {
    for (const algorithm of DIGEST_ALGORITHMS) {
      const directory = `${this.#store.path}/blobs/${algorithm}`;
      for await (const name of eachName(directory, this.#options.signal)) {
        const path = `${directory}/${name}`;
        if (isDigest(`${algorithm}:${name}`) && lstatIfAny(path)?.isFile) continue;
        if (this.#repairs) await this.#quarantine(path, `stray-${algorithm}-${name}`);
        this.#note("stray", path);
      }
    }
  }

  /** Follows every name. Returns the damaged or missing content, for which it adds findings. */
  async #checkNames(corrupt: ReadonlySet<Digest>): Promise<ReadonlyMap<Digest, unknown>> {
    const roots = new Map<Digest, NamedContent>();
    const turn = new WorkTurn();
    const wrong: { readonly name: string; readonly descriptor: Descriptor }[] = [];
    // An unreadable index is a separate finding.
    for (const [i, { name, descriptor }] of (await this.#listEntries() ?? []).entries()) {
      if (turn.isOver()) await turn.next(this.#options.signal);
      if (descriptor === undefined) {
        const reason = this.#repairs ? "pull or copy its image again" : undefined;
        const path = `${this.#store.path}/index.json`;
        this.#note("descriptor", path, { names: [name ?? `@${i}`], repaired: false, reason });
      } else if (name !== undefined) {
        const right = await this.#checkEntry(name, descriptor);
        addNames(roots, right, [name]);
        if (right !== descriptor) wrong.push({ name, descriptor: right });
      }
    }
    if (this.#repairs && wrong.length > 0) {
      await this.#store.untag(wrong.map(({ name }) => name), this.#options.signal);
      await new LayoutIndex(this.#store.path).record(wrong, this.#options.signal);
    }
    const lost = await this.#checkPresence(roots, corrupt);
    await this.#checkReferences(roots, corrupt);
    return lost;
  }

  /** Checks that all content of documents is there, and fetches lost content again. */
  async #checkPresence(
    roots: ReadonlyMap<Digest, NamedContent>,
    corrupt: ReadonlySet<Digest>,
  ): Promise<ReadonlyMap<Digest, unknown>> {
    const wanted = new Map<Digest, NamedContent>();
    for (const { descriptor, names } of roots.values()) {
      for (const lost of await this.#lost(descriptor, corrupt)) addNames(wanted, lost, names);
    }
    for (const [digest, { descriptor, names }] of wanted) {
      const kind = corrupt.has(digest) ? "corrupt" : "missing";
      if (!this.#repairs) {
        this.#note(kind, digest, { names });
        continue;
      }
      const reason = await this.#fetch(descriptor, names);
      this.#note(kind, digest, { names, repaired: reason === undefined, reason });
      if (reason !== undefined) continue;
      // Content referenced by a restored document may be missing too.
      for (const lost of await this.#lost(descriptor, corrupt)) {
        if (!wanted.has(lost.digest)) addNames(wanted, lost, names);
      }
    }
    return wanted;
  }

  /** Checks that the descriptors in documents are right, and that indexes have a manifest. */
  async #checkReferences(
    roots: ReadonlyMap<Digest, NamedContent>,
    corrupt: ReadonlySet<Digest>,
  ): Promise<void> {
    const mismatched = new Map<Digest, NamedContent>();
    const incomplete: NamedContent[] = [];
    for (const root of roots.values()) {
      const { descriptor, names } = root;
      const faults = await findGraphFaults(this.#store, descriptor, this.#options.signal);
      for (const found of faults.mismatched) addNames(mismatched, found, names);
      if (faults.lacksPlatforms) incomplete.push(root);
    }
    for (const [digest, { names }] of mismatched) {
      if (corrupt.has(digest)) continue;
      const reason = this.#repairs ? "its manifest or index is wrong" : undefined;
      this.#note("entry", digest, { names, repaired: false, reason });
    }
    // A repair cannot know which platforms were pulled.
    for (const { descriptor: { digest }, names } of incomplete) {
      const reason = this.#repairs ? "pull it again" : undefined;
      this.#note("incomplete", digest, { names, repaired: false, reason });
    }
  }

  /** Returns the missing and corrupt content that is reachable from a document. */
  async #lost(root: Descriptor, corrupt: ReadonlySet<Digest>): Promise<readonly Descriptor[]> {
    const { signal } = this.#options;
    const { descriptors, parts } = await findReachable(this.#store, [root], { signal });
    const lost: Descriptor[] = [];
    for (const descriptor of descriptors.values()) {
      const { digest } = descriptor;
      if (!isDigest(digest)) continue;
      const isCorrupt = corrupt.has(digest);
      if ((this.#repairs || !isCorrupt) && await this.#store.has(digest)) continue;
      // A platform that was never pulled is not damage, nor a layer that copies leave out.
      const isEntry = digest !== root.digest && !parts.has(digest);
      const isForeign = layerMediaType(descriptor.mediaType)?.nondistributable === true;
      if (isCorrupt || !(isEntry || isForeign)) lost.push(descriptor);
    }
    return lost;
  }

  /** Returns the descriptor of an entry of the index with the size and media type of its blob. */
  async #checkEntry(name: string, descriptor: Descriptor): Promise<Descriptor> {
    const { digest } = descriptor;
    const actual = await this.#actual.getOrInsertComputed(digest, () => this.#describe(digest));
    if (actual === undefined) return descriptor;
    const { size, mediaType = descriptor.mediaType } = actual;
    if (size === descriptor.size && mediaType === descriptor.mediaType) return descriptor;
    this.#note("entry", digest, { names: [name] });
    return { mediaType, digest, size };
  }

  async #describe(digest: Digest): Promise<ActualDescriptor | undefined> {
    const bytes = await this.#store.readBlob({ digest }).catch(() => undefined);
    if (bytes === undefined) return undefined;
    const size = bytes.length;
    try {
      return { size, mediaType: parseManifest(bytes).value.mediaType };
    } catch {
      // The blob is not a document with a media type.
      return { size };
    }
  }

  /** Fetches content again. Returns the reason if that fails. */
  async #fetch(descriptor: Descriptor, names: readonly string[]): Promise<string | undefined> {
    const { sourceOf, signal } = this.#options;
    let reason = "no source for it is known";
    for (const name of names) {
      const source = sourceOf?.(name);
      if (source === undefined) continue;
      try {
        await this.#store.ingest(
          descriptor,
          (options) => source.fetch(descriptor, options),
          { signal },
        );
        return undefined;
      } catch (error) {
        signal?.throwIfAborted();
        reason = describeError(error);
      }
    }
    return reason;
  }

  /** Finds extracted layers without an intact record, and records without a layer. */
  async #checkLayers(): Promise<void> {
    const { signal } = this.#options;
    const directory = `${this.#store.path}/chains`;
    if (lstatIfAny(directory) === undefined) return;
    using _lock = this.#repairs ? await lockLayers(this.#store, "remove", signal) : undefined;
    const names = new Set(namesIn(directory));
    for (const name of names) {
      const isWhole = name.endsWith(".json")
        ? names.has(name.slice(0, -".json".length))
        : hasIntactRecord(directory, name) || !/^[a-z2-7]{8}$/.test(name);
      if (isWhole) continue;
      const path = `${directory}/${name}`;
      const isUsed = this.#repairs && BundleRecords.open(this.#store.path).usedLayers().has(name);
      if (this.#repairs && !isUsed) {
        await removeTree(path);
        await removeTree(`${path}.json`);
      }
      this.#note("layer", path, isUsed ? { repaired: false, reason: "a bundle uses it" } : {});
    }
  }

  /** Finds indexes of entries that are damaged or have no layer. They are made again on demand. */
  async #checkEntries(): Promise<void> {
    for (const file of listEntryFiles(this.#store)) {
      this.#options.signal?.throwIfAborted();
      if (await isEntryFileIntact(this.#store, file)) continue;
      if (this.#repairs) removeIfAny(file.path);
      this.#note("layer", file.path);
    }
  }

  async #quarantine(path: string, name: string): Promise<void> {
    const { signal } = this.#options;
    await ensureStoreFolder(this.#store.path, "locks");
    using _lock = await lockPruning(this.#store.path, "hold", { signal });
    await ensureStoreFolder(this.#store.path, "quarantine", 0o700);
    await Deno.rename(path, `${this.#store.path}/quarantine/${name}-${Date.now()}`);
  }
}

/** Content, and the names that lead to it. */
interface NamedContent {
  readonly descriptor: Descriptor;
  readonly names: string[];
}

function addNames(
  contents: Map<Digest, NamedContent>,
  descriptor: Descriptor,
  names: readonly string[],
): void {
  const content = contents.getOrInsertComputed(
    descriptor.digest,
    (): NamedContent => ({ descriptor, names: [] }),
  );
  for (const name of names) content.names.push(name);
}
