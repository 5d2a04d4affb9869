import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, digestAlgorithm, digestHex } from "../../spec/digest.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import { MAX_CONFIG_BYTES } from "../../spec/manifest.ts";
import { type Expectation, Verifier, verifyBytes } from "../../spec/verifier.ts";
import { openBlobStream } from "./blob_stream.ts";
import { readSmallFile } from "../host/read_small_file.ts";
import { StoreError } from "../errors.ts";
import { lstatIfAny, syncDirectory } from "../host/durable.ts";
import type { BlobSource, Ingestion, IngestOptions } from "./ingest.ts";
import { ensureLayout, openLayout } from "./_layout_directory.ts";
import { VerifiedMarks } from "./verified_marks.ts";
import type { ContentUpload, ContentUploadOptions } from "./content_upload.ts";
import type {
  ContentStoreOptions,
  OpenBlobOptions,
  ReadBlobOptions,
} from "./content_store_options.ts";
import type { BlobWriter } from "./blob_writer.ts";
import type { Hold, Holds } from "./hold.ts";
import { LayoutIndex, type StoredReference } from "./layout_index.ts";

/**
 * A directory of verified content: an OCI image layout that skopeo, umoci, podman and crane
 * read as it stands, with what downloads need beside it.
 *
 * **What can be relied on.** A name under `blobs/` appears after its bytes have been compared
 * with digest and size and fsynced, by a rename. `index.json` is replaced as a whole, after the
 * names of the blobs have been fsynced. So a process that is killed, or a machine that loses
 * power, leaves at worst parts, which the next download resumes, blobs that nothing names, and
 * the references as they were. Locks are flocks, which end with their owner.
 *
 * Nothing is written before something is stored: a store that is only read may be read-only,
 * and one that does not exist is an empty one.
 *
 * @example Store bytes and give them a name
 * ```ts
 * import { ContentStore } from "@x/oci/store";
 * import { digestOf } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(directory);
 * const bytes = new TextEncoder().encode("{}");
 * const descriptor = {
 *   mediaType: "application/vnd.oci.empty.v1+json",
 *   digest: digestOf(bytes),
 *   size: 2,
 * };
 *
 * await store.putBytes(descriptor, bytes);
 * await store.tag("example.com/empty:1", descriptor);
 *
 * assertEquals((await store.resolve("example.com/empty:1"))?.digest, descriptor.digest);
 * assertEquals(await store.readBlob(descriptor), bytes);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class ContentStore {
  /** The directory. */
  readonly path: string;
  /** Called once if the wait for another process takes longer than a second. */
  readonly onWait: ((message: string) => void) | undefined;
  readonly #lockPath: string;
  readonly #index: LayoutIndex;
  /** None in a layout that is only read: it may have come with marks of its own. */
  readonly #marks: VerifiedMarks | undefined;
  #holds: Holds | undefined;
  #isPrepared = false;
  /** The removal of leftovers, once an upload has begun. */
  #swept: Promise<void> | undefined;

  private constructor(path: string, { onWait, foreign = false }: ContentStoreOptions) {
    this.path = path;
    this.onWait = onWait;
    this.#lockPath = `${path}/locks/index.lock`;
    this.#index = new LayoutIndex(path, this.#lockPath, { onWait, foreign });
    this.#marks = foreign ? undefined : new VerifiedMarks(`${path}/verified`);
  }

  /**
   * Opens the store in a directory. A directory that is empty or absent becomes a store when
   * something is written to it.
   *
   * @param path The directory.
   * @param options Whether it is only read, and what to call for waits.
   * @returns The store.
   * @throws {StoreError} If there is something else.
   * @throws {UntrustedStoreError} If another user owns it or can write to it, unless it is
   * `foreign`.
   */
  static async open(path: string, options: ContentStoreOptions = {}): Promise<ContentStore> {
    await openLayout(path, options.foreign ?? false);
    return new ContentStore(path, options);
  }

  /**
   * Where a blob is, or would be.
   *
   * @param digest Its digest.
   * @returns The path of its file.
   */
  blobPath(digest: Digest): string {
    return `${this.path}/blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`;
  }

  /**
   * Returns whether the store has a blob, of the right size if given, without reading its bytes.
   *
   * @param blob A digest, or a descriptor.
   * @returns Whether there is a file.
   */
  has(blob: Digest | Expectation): Promise<boolean> {
    return Promise.try(() => {
      const { digest, size } = typeof blob === "string" ? { digest: blob } : blob;
      const info = lstatIfAny(this.blobPath(digest));
      return info !== undefined && info.isFile && (size === undefined || info.size === size);
    });
  }

  /**
   * Returns whether the store has a blob, and verifies it. A blob is hashed once; after that, its
   * file's size, times and inode tell whether it has changed.
   *
   * @param blob A descriptor, or anything with a digest and perhaps a size.
   * @param signal Ends the hashing.
   * @returns Whether it is there.
   * @throws {DigestMismatchError} If its bytes do not match its digest.
   */
  async verify(blob: Expectation, signal?: AbortSignal): Promise<boolean> {
    const { digest, size } = blob;
    const path = this.blobPath(digest);
    const info = lstatIfAny(path);
    // A link or a directory is no blob; a blob that is brought takes the place of a link.
    if (info === undefined || !info.isFile) return false;
    if (size !== undefined && info.size !== size) {
      const mismatch = { expected: digest, expectedSize: size, size: info.size };
      throw new DigestMismatchError({ ...mismatch, source: `"${path}"` });
    }
    if (this.#marks?.holds(digest, info)) return true;
    const bytes = await this.openBlob(digest, signal && { signal });
    await bytes.pipeTo(new WritableStream());
    await this.#marks?.set(digest, info);
    return true;
  }

  /**
   * Forgets that a blob was verified, so that it is hashed again: a disk may lose bits without a
   * sign in the file's times.
   *
   * @param digest The blob.
   */
  distrust(digest: Digest): void {
    this.#marks?.remove(digest);
  }

  /**
   * Reads a small blob whole, and verifies it.
   *
   * @param blob A descriptor, or anything with a digest and perhaps a size.
   * @param options The most bytes that are read.
   * @returns The bytes, or `undefined` if there is no such blob.
   * @throws {DigestMismatchError} If the file is not what its name says.
   * @throws {LimitError} If it is larger than `maxBytes`.
   */
  async readBlob(
    blob: Expectation,
    options: ReadBlobOptions = {},
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const { maxBytes = MAX_CONFIG_BYTES } = options;
    const path = this.blobPath(blob.digest);
    const info = lstatIfAny(path);
    if (info === undefined || !info.isFile) return undefined;
    if (info.size > maxBytes) {
      throw new LimitError("bytes", maxBytes, info.size, `"${path}"`, "maxBytes");
    }
    // Its digest tells whose it is, not its owner.
    const bytes = readSmallFile(path, { maxBytes, foreign: true });
    if (bytes === undefined) return undefined;
    await verifyBytes(bytes, blob, `"${path}"`);
    return bytes;
  }

  /**
   * Opens the bytes of a blob. Read as a whole, they are verified on their way: the stream
   * fails in place of its last bytes if they are not what the name says. A part cannot be
   * verified; call {@linkcode ContentStore.verify} before.
   *
   * @param digest The blob.
   * @param options Which bytes.
   * @returns The stream; whoever does not read it to its end cancels it.
   * @throws {Deno.errors.NotFound} If there is no such blob.
   */
  async openBlob(
    digest: Digest,
    options: OpenBlobOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const path = this.blobPath(digest);
    const whole = (options.offset ?? 0) === 0 && options.length === undefined;
    const verifier = whole ? new Verifier({ digest }, `"${path}"`) : undefined;
    const onMismatch = () => this.distrust(digest);
    return await openBlobStream(path, { ...options, verifier, onMismatch });
  }

  /**
   * Stores bytes that are at hand.
   *
   * @param descriptor Their digest and size.
   * @param bytes The bytes.
   * @param signal Aborts the wait for another process.
   * @returns Whether they were new to the store.
   * @throws {DigestMismatchError} If the bytes are not those of the descriptor.
   */
  async putBytes(
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    signal?: AbortSignal,
  ): Promise<Ingestion> {
    const open = ({ offset = 0 }) => Promise.resolve(ReadableStream.from([bytes.subarray(offset)]));
    return await this.ingest(descriptor, open, { ...(signal && { signal }) });
  }

  /**
   * Brings a blob into the store unless it is there and intact. A corrupt one is replaced.
   *
   * One task or process downloads a blob; others that ask for it wait, and take over if that one
   * fails. Resumes an interrupted download.
   *
   * @param descriptor The blob.
   * @param open Opens its bytes at an offset, such as `(options) => layer.compressed(options)`.
   * @param options How to stop, and whom to tell.
   * @returns Whether it was fetched, and how much of it had been there.
   * @throws {DigestMismatchError} If the bytes are not those of the descriptor; nothing of them
   * is kept, except where they only ended early.
   * @throws {DiskFullError} If they do not fit; what has come is kept.
   */
  async ingest(
    descriptor: Descriptor,
    open: BlobSource,
    options: IngestOptions = {},
  ): Promise<Ingestion> {
    const { digest } = descriptor;
    const { signal } = options;
    const { ingestBlob } = await import("./ingest.ts");
    // A layout of another tool, of which a blob is only read, stays as it is.
    const isOurs = this.#holds !== undefined || lstatIfAny(`${this.path}/locks`) !== undefined;
    const holds = isOurs ? await this.#openHolds() : undefined;
    using _hold = await holds?.hold(digest, signal);
    return await ingestBlob(descriptor, open, {
      part: `${this.path}/ingest/${digestAlgorithm(digest)}-${digestHex(digest)}.part`,
      onWait: this.onWait,
      prepare: () => this.#prepare(signal),
      isIntact: () => this.#isIntact(descriptor, signal),
      commit: (writer) => this.#commit(writer),
    }, options);
  }

  /**
   * Begins to take bytes whose digest is known at their end. The first call removes leftovers of
   * killed uploads.
   *
   * @param options Algorithm of the digest, and an abort signal.
   * @returns The upload. Dispose of it unless it is committed.
   */
  async beginUpload(options: ContentUploadOptions = {}): Promise<ContentUpload> {
    const { signal } = options;
    await this.#prepare(signal);
    const { ContentUpload } = await import("./content_upload.ts");
    this.#swept ??= ContentUpload.removeLeftovers(`${this.path}/ingest`);
    await this.#swept;
    return await ContentUpload.create(`${this.path}/ingest`, options, {
      hold: async (digest) => await this.#holds?.add(digest),
      isIntact: (blob) => this.#isIntact(blob, signal),
      blobPath: (digest) => this.blobPath(digest),
      onCommit: async (digest, info) => await this.#marks?.set(digest, info),
    });
  }

  /**
   * Keeps blobs from being pruned: those that are stored or looked up from now on, until the hold
   * is disposed of or the process ends.
   *
   * @param signal Aborts the wait for another process.
   * @returns The hold; `undefined` for a store that cannot be written to.
   */
  async hold(signal?: AbortSignal): Promise<Hold | undefined> {
    return await (await this.#openHolds(() => this.#prepare(signal)))?.begin(signal);
  }

  /** The holds of this store; `undefined` where it cannot be written to. */
  async #openHolds(prepare?: () => Promise<void>): Promise<Holds | undefined> {
    if (this.#holds !== undefined || this.#marks === undefined) return this.#holds;
    const { Holds } = await import("./hold.ts");
    const holds = await Holds.open(this.path, { onWait: this.onWait }, prepare);
    return this.#holds ??= holds;
  }

  async #isIntact(blob: Expectation, signal: AbortSignal | undefined): Promise<boolean> {
    try {
      return await this.verify(blob, signal);
    } catch (error) {
      // What is corrupt is fetched again and replaced.
      if (error instanceof DigestMismatchError) return false;
      throw error;
    }
  }

  async #commit(writer: BlobWriter): Promise<void> {
    const info = await writer.commit(this.blobPath(writer.digest));
    await this.#marks?.set(writer.digest, info);
  }

  /**
   * What a reference stands for.
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
    return await this.#index.references();
  }

  /**
   * Lists what `index.json` points to, including entries without a name, such as signatures.
   *
   * @returns The descriptors, in order; none if there is no store yet.
   */
  async descriptors(): Promise<readonly Descriptor[]> {
    return await this.#index.descriptors();
  }

  /**
   * Names a document that is in the store. If two processes use one name, the last one wins.
   *
   * @param name The full reference.
   * @param descriptor The index of a multi-platform image, else the manifest.
   * @param signal Aborts the wait for another process.
   */
  async tag(name: string, descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.#prepare(signal);
    await this.#syncBlobs();
    using _lock = await this.#lockPruning(signal);
    await this.#index.tag(name, descriptor, signal);
  }

  async #lockPruning(signal: AbortSignal | undefined): Promise<Disposable> {
    const { lockPruning } = await import("./hold.ts");
    return await lockPruning(this.path, "hold", { signal, onWait: this.onWait });
  }

  /**
   * Records a document that is in the store and has no name, as archives may hold them.
   *
   * @param descriptor The index of a multi-platform image, else the manifest.
   * @param signal Aborts the wait for another process.
   */
  async keep(descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.#prepare(signal);
    await this.#syncBlobs();
    using _lock = await this.#lockPruning(signal);
    await this.#index.add(descriptor, signal);
  }

  /** The names of the blobs must not come to the disk after the name of the image. */
  async #syncBlobs(): Promise<void> {
    for (const name of ["sha256", "sha512"]) await syncDirectory(`${this.path}/blobs/${name}`);
  }

  /**
   * Removes references. The blobs stay until they are pruned.
   *
   * @param names The full references.
   * @param signal Aborts the wait for another process.
   * @returns Those of `names` that there were.
   */
  async untag(names: readonly string[], signal?: AbortSignal): Promise<readonly string[]> {
    if (lstatIfAny(`${this.path}/index.json`) === undefined) return [];
    await this.#prepare(signal);
    return await this.#index.untag(names, signal);
  }

  async #prepare(signal: AbortSignal | undefined): Promise<void> {
    if (this.#isPrepared) return;
    if (this.#marks === undefined) {
      throw new StoreError(`Cannot write to "${this.path}": it was opened to be read`, this.path);
    }
    await ensureLayout(this.path, this.#lockPath, { signal, onWait: this.onWait });
    await this.#index.create(signal);
    this.#isPrepared = true;
  }
}
