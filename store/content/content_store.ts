import { isImageName } from "../../registry/image_location.ts";
import type { Digest } from "../../spec/digest.ts";
import { explainedError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_CONFIG_BYTES } from "../../spec/image/manifest.ts";
import type { Expectation } from "../../spec/verifier.ts";
import { BlobFiles } from "../blobs/blob_files.ts";
import type { OpenBlobOptions } from "../blobs/blob_stream.ts";
import type { BlobSource, Ingestion, IngestOptions } from "../downloads/ingest_options.ts";
import { StoreError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import type { ContentStoreOptions, ReadBlobOptions } from "./content_store_options.ts";
import type { ContentUpload, ContentUploadOptions } from "./content_upload.ts";
import type { Hold, Holds } from "./hold.ts";
import { LayoutDirectory } from "./layout_directory.ts";
import type { RecordedEntry, StoredReference } from "./layout_index.ts";

/**
 * A directory of verified content: an OCI image layout that skopeo, umoci, podman and crane can
 * read, plus files that downloads need.
 *
 * **Guarantees.** A blob appears under `blobs/` by a rename, after its digest and size have been
 * verified and its bytes fsynced. `index.json` is replaced atomically, after the names of the blobs
 * have been fsynced. A killed process or a power failure therefore leaves at worst partial
 * downloads, which the next download resumes, unreferenced blobs, and the previous references.
 * Locks are flocks, which end with their owner.
 *
 * Reading writes nothing: a store may be on a read-only file system, and a store that does not
 * exist is empty.
 *
 * @example Store bytes and give them a name
 * ```ts
 * import { ContentStore } from "@x/oci/store";
 * import { digestOf, OCI_INDEX } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 * const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
 * const bytes = new TextEncoder().encode(text);
 * const descriptor = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
 *
 * await store.putBytes(descriptor, bytes);
 * await store.tag("example.com/empty:1", descriptor);
 *
 * assertEquals((await store.resolve("example.com/empty:1"))?.digest, descriptor.digest);
 * assertEquals(await store.readBlob(descriptor), bytes);
 * ```
 */
export class ContentStore {
  /** The directory. */
  readonly path: string;
  /** Whether it is opened for reading only, such as another user's layout. */
  readonly foreign: boolean;
  /** Called once if the wait for another process takes longer than a second. */
  readonly onWait: ((message: string) => void) | undefined;
  readonly #layout: LayoutDirectory;
  readonly #blobs: BlobFiles;
  #holds: Holds | undefined;
  /** Removal of leftovers, started by the first upload. */
  #swept: Promise<void> | undefined;

  private constructor(path: string, layout: LayoutDirectory, options: ContentStoreOptions) {
    const { onWait, foreign = false } = options;
    this.path = path;
    this.foreign = foreign;
    this.onWait = onWait;
    this.#layout = layout;
    const marks = foreign ? undefined : `${path}/verified`;
    this.#blobs = new BlobFiles(`${path}/blobs`, marks, (digest) => this.#holds?.addFound(digest));
  }

  /**
   * Opens the store in a directory. An empty or absent directory becomes a store with the first
   * write.
   *
   * @param path The directory.
   * @param options Whether to open the store for reading only, and a callback for waits.
   * @returns The store.
   * @throws {StoreError} If the path is not a store.
   * @throws {UntrustedStoreError} If another user can write to it and it is not `foreign`.
   * @throws {RangeError} If the path is empty.
   */
  static async open(path: string, options: ContentStoreOptions = {}): Promise<ContentStore> {
    return new ContentStore(path, await LayoutDirectory.open(path, options), options);
  }

  /**
   * Returns the path of a blob, whether or not it exists.
   *
   * @param digest Digest of the blob.
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  blobPath(digest: Digest): string {
    return this.#blobs.pathOf(digest);
  }

  /**
   * Returns whether the store has a blob, of the right size if given, without reading its bytes. A
   * blob whose digest cannot be verified counts as absent.
   *
   * @param blob Digest or descriptor of the blob.
   * @returns Whether the file exists.
   */
  has(blob: Digest | Expectation): Promise<boolean> {
    const expected = typeof blob === "string" ? { digest: blob } : blob;
    return Promise.try(() => this.#blobs.has(expected));
  }

  /**
   * Verifies a blob and returns whether the store has it. A blob is hashed once; after that, the
   * size, times and inode of its file show whether it has changed.
   *
   * @param blob A descriptor, or anything with a digest and perhaps a size.
   * @param signal Aborts the hashing.
   * @returns Whether the store has the blob.
   * @throws {DigestMismatchError} If its bytes do not match its digest.
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  async verify(blob: Expectation, signal?: AbortSignal): Promise<boolean> {
    return await this.#blobs.verify(blob, signal);
  }

  /**
   * Forgets that a blob was verified, so that it is hashed again: a disk may corrupt bits without a
   * change of the file's times.
   *
   * @param digest The blob.
   */
  distrust(digest: Digest): void {
    this.#blobs.distrust(digest);
  }

  /**
   * Reads and verifies a small blob.
   *
   * @param blob A descriptor, or anything with a digest and perhaps a size.
   * @param options Maximum number of bytes to read.
   * @returns The bytes, or `undefined` if there is no such blob, or its digest cannot be verified.
   * @throws {DigestMismatchError} If the bytes do not match the digest.
   * @throws {LimitError} If it is larger than `maxBytes`.
   */
  async readBlob(
    blob: Expectation,
    options: ReadBlobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { maxBytes = MAX_CONFIG_BYTES } = options;
    return await this.#blobs.read(blob, maxBytes);
  }

  /**
   * Opens the bytes of a blob. A stream of the whole blob is verified as it is read: it fails in
   * place of the last bytes if the digest, or the given size, does not match. A range cannot be
   * verified; call {@linkcode ContentStore.verify} first.
   *
   * @param blob Digest or descriptor of the blob.
   * @param options Range of the bytes.
   * @returns The stream. Cancel it unless you read it to its end.
   * @throws {Deno.errors.NotFound} If there is no such blob.
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  async openBlob(
    blob: Digest | Expectation,
    options: OpenBlobOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const expected = typeof blob === "string" ? { digest: blob } : blob;
    return await this.#blobs.open(expected, options);
  }

  /**
   * Stores bytes in memory as a blob.
   *
   * @param descriptor Their digest and size.
   * @param bytes The bytes.
   * @param signal Aborts the wait for another process.
   * @returns The blob's size, and whether it was in the store before.
   * @throws {DigestMismatchError} If the bytes are not those of the descriptor.
   */
  async putBytes(
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<Ingestion> {
    const open = ({ offset = 0 }) => Promise.resolve(ReadableStream.from([bytes.subarray(offset)]));
    return await this.ingest(descriptor, open, { signal });
  }

  /**
   * Downloads a blob if the store does not have it intact. Replaces a corrupt blob.
   *
   * One task or process downloads a blob; others that need it wait, and take over if the download
   * fails. Resumes an interrupted download.
   *
   * @param descriptor The blob.
   * @param open Opens its bytes at an offset, such as `(options) => layer.compressed(options)`.
   * @param options Callbacks and an abort signal.
   * @returns Whether the blob was fetched, and how much of it the store already had.
   * @throws {DigestMismatchError} If the bytes do not match the descriptor. They are discarded,
   * unless the download merely ended early.
   * @throws {DiskFullError} If the disk is full; the downloaded part is kept.
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  async ingest(
    descriptor: Descriptor,
    open: BlobSource,
    options: IngestOptions = {},
  ): Promise<Ingestion> {
    const { digest } = descriptor;
    const { signal } = options;
    const { ingestBlob } = await import("../downloads/ingest.ts");
    // Reading a blob must not modify another tool's layout.
    const isOurs = this.#holds !== undefined || lstatIfAny(`${this.path}/locks`) !== undefined;
    const holds = isOurs ? await this.#openHolds() : undefined;
    using _hold = await holds?.hold(digest, signal);
    const { path: directory, onWait } = this;
    const prepare = (signal: AbortSignal | undefined) => this.#layout.prepare(signal);
    const target = { directory, prepare, blobs: this.#blobs, onWait };
    return await ingestBlob(descriptor, open, target, options);
  }

  /**
   * Begins an upload of bytes whose digest is not known yet. The first call removes leftovers of
   * killed uploads.
   *
   * @param options Digest algorithm and an abort signal.
   * @returns The upload. Dispose of it unless it is committed.
   */
  async beginUpload(options: ContentUploadOptions = {}): Promise<ContentUpload> {
    const { signal } = options;
    await this.#layout.prepare(signal);
    const { ContentUpload } = await import("./content_upload.ts");
    const upload = await ContentUpload.create(`${this.path}/ingest`, options, {
      blobs: this.#blobs,
      hold: async (digest) => await this.#holds?.add(digest),
    });
    // Nothing depends on their removal.
    this.#swept ??= upload.removeLeftovers().catch(() => {});
    await this.#swept;
    return upload;
  }

  /**
   * Protects all blobs that are stored or looked up from now on against pruning, until the hold is
   * disposed of or the process ends.
   *
   * @param signal Aborts the wait for another process.
   * @returns The hold; `undefined` for a store that cannot be written to.
   */
  async hold(signal?: AbortSignal): Promise<Hold | undefined> {
    return await (await this.#openHolds(() => this.#layout.prepare(signal)))?.begin(signal);
  }

  /** Opens the holds of this store; `undefined` if the store is not writable. */
  async #openHolds(prepare?: () => Promise<void>): Promise<Holds | undefined> {
    if (this.foreign || (this.#holds !== undefined && prepare === undefined)) return this.#holds;
    const { Holds, prepareHolds } = await import("./hold.ts");
    if (!await prepareHolds(this.path, prepare)) return undefined;
    return this.#holds ??= new Holds(this.path, { onWait: this.onWait });
  }

  /**
   * Returns the descriptor that a reference stands for.
   *
   * @param name The full reference.
   * @returns The descriptor of its index or manifest, or `undefined` if it is not recorded.
   */
  async resolve(name: string): Promise<Descriptor | undefined> {
    return (await this.references()).find((reference) => reference.name === name)?.descriptor;
  }

  /**
   * Lists every reference, in the order in which they were first recorded.
   *
   * @returns The references; none if there is no store yet.
   */
  async references(): Promise<readonly StoredReference[]> {
    return await this.#layout.index.references();
  }

  /** Lists the entries of `index.json` in order, including unnamed ones such as signatures. */
  async descriptors(): Promise<readonly Descriptor[]> {
    return await this.#layout.index.descriptors();
  }

  /**
   * Assigns a reference to a document in the store. If two processes write the same reference, the
   * last one wins.
   *
   * @param name The full reference.
   * @param descriptor The index of a multi-platform image, else the manifest.
   * @param signal Aborts the wait for another process.
   * @throws {SyntaxError} If the name is neither a reference nor valid in an image layout.
   * @throws {StoreError} If the store lacks the document.
   */
  async tag(name: string, descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.record([{ name, descriptor }], signal);
  }

  /**
   * Records a document in the store without a name, such as an unnamed image of an archive.
   *
   * @param descriptor The index of a multi-platform image, else the manifest.
   * @param signal Aborts the wait for another process.
   */
  async keep(descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.record([{ descriptor }], signal);
  }

  /**
   * Assigns several references, and records documents without a name, all in one change.
   *
   * @param entries Documents, each with its full reference if it has one.
   * @param signal Aborts the wait for another process.
   * @throws {SyntaxError} If a name is neither a reference nor valid in an image layout.
   * @throws {StoreError} If the store lacks a document.
   */
  async record(entries: readonly RecordedEntry[], signal?: AbortSignal): Promise<void> {
    if (entries.length === 0) return;
    for (const { name, descriptor: { digest } } of entries) {
      const action = `record "${name ?? digest}"`;
      if (name !== undefined && !isImageName(name)) {
        const problem = "it is not a valid image name";
        throw explainedError(SyntaxError, { code: "invalid-reference", action, problem });
      }
      if (lstatIfAny(this.blobPath(digest)) === undefined) {
        const facts = { code: "missing-content", action, advice: "Store it first" } as const;
        throw new StoreError(`it does not have ${digest}`, this.path, facts);
      }
    }
    await this.#layout.prepare(signal);
    await this.#layout.index.record(entries, signal);
  }

  /**
   * Removes references. The blobs stay until they are pruned.
   *
   * @param names The full references.
   * @param signal Aborts the wait for another process.
   * @returns The names that were recorded.
   */
  async untag(names: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    if (lstatIfAny(`${this.path}/index.json`) === undefined) return [];
    await this.#layout.prepare(signal);
    return await this.#layout.index.untag(names, signal);
  }
}
