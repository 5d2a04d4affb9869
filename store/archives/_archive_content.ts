import type { Digest } from "../../spec/digest.ts";
import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { quote } from "../../spec/json.ts";
import { digestPath, type Expectation, verifyBytes } from "../../spec/verifier.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchiveEntries } from "./_archive_entries.ts";
import type { ArchiveFile, EntryRange } from "./_archive_file.ts";

/** Maximum size of the documents of an archive, which are held in memory. */
const MAX_DOCUMENT_BYTES = 64 * 1024 * 1024;

/** Where the bytes of a blob are: in the file or in memory. */
type Place = EntryRange | Uint8Array<ArrayBuffer>;

/** The blobs of an archive by digest: those in its files, and those generated from it. */
export class ArchiveContent {
  readonly file: ArchiveFile;
  readonly entries: ArchiveEntries;
  /** Documents of indexes that lack some of their blobs, with the errors that reading them throws. */
  readonly incomplete: Map<Digest, ArchiveError> = new Map();
  /** Blobs that are not in `blobs/`. */
  readonly #places = new Map<Digest, Place>();
  /** Documents that are held in memory. */
  readonly #documents = new Set<Digest>();
  #documentBytes = 0;

  constructor(file: ArchiveFile, entries: ArchiveEntries) {
    this.file = file;
    this.entries = entries;
  }

  get name(): string {
    return this.file.name;
  }

  /**
   * Rejects links, because they could lead a program that extracts the archive out of its directory.
   *
   * @param allowed Names of links that the format needs.
   */
  refuseLinks(allowed?: RegExp): void {
    const name = this.entries.links.keys().find((name) => !allowed?.test(name));
    if (name === undefined) return;
    throw new ArchiveError(this.name, "hostile", `its entry ${quote(name)} is a link`);
  }

  /** Records the place of a blob that is not in `blobs/`. */
  add(digest: Digest, place: Place): void {
    if (place instanceof Uint8Array) this.countDocument(digest, place.length);
    this.#places.set(digest, place);
  }

  /**
   * Counts the bytes of a document that is held in memory, once.
   *
   * @throws {ArchiveError} If all of them together are too large.
   */
  countDocument(digest: Digest, bytes: number): void {
    if (this.#documents.has(digest)) return;
    this.#documents.add(digest);
    this.#documentBytes += bytes;
    if (this.#documentBytes <= MAX_DOCUMENT_BYTES) return;
    const problem = `its documents have more than ${MAX_DOCUMENT_BYTES} bytes`;
    throw new ArchiveError(this.name, "hostile", problem);
  }

  /** Returns the size of a blob; `undefined` if the archive does not have it. */
  sizeOf(digest: Digest): number | undefined {
    const place = this.#place(digest);
    return place instanceof Uint8Array ? place.length : place?.size;
  }

  /** Whether the archive has a blob, with the size of its descriptor. */
  has(descriptor: Descriptor): boolean {
    const size = this.sizeOf(descriptor.digest) ?? embeddedData(descriptor)?.length;
    return size === descriptor.size;
  }

  /**
   * Opens the bytes of a blob, which are not verified.
   *
   * @throws {ArchiveError} If the archive does not have it.
   */
  open(
    descriptor: Descriptor,
    options: BlobReadOptions = {},
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { offset = 0 } = options;
    const place = this.#place(descriptor.digest) ?? embeddedData(descriptor);
    if (place === undefined) throw this.missing(descriptor.digest);
    if (place instanceof Uint8Array) return ReadableStream.from([place.slice(offset)]);
    const skipped = Math.min(offset, place.size);
    const rest = { offset: place.offset + skipped, size: place.size - skipped };
    return this.file.open(rest, options);
  }

  /**
   * Reads a small blob whole, and verifies it.
   *
   * @returns The bytes, or `undefined` if the archive does not have it.
   * @throws {ArchiveError} If its digest is wrong.
   * @throws {LimitError} If it is larger than `maxBytes`.
   */
  async readBlob(
    expected: Expectation,
    { maxBytes }: { readonly maxBytes: number },
  ): Promise<Uint8Array<ArrayBuffer> | undefined> {
    const place = this.#place(expected.digest) ??
      ("mediaType" in expected ? embeddedData(expected as Descriptor) : undefined);
    if (place === undefined) return undefined;
    const size = place instanceof Uint8Array ? place.length : place.size;
    if (size > maxBytes) {
      throw new LimitError("bytes", maxBytes, size, `${expected.digest} in "${this.name}"`);
    }
    const bytes = place instanceof Uint8Array ? place : await this.file.bytes(place);
    try {
      await verifyBytes(bytes, expected, `"${this.name}"`);
    } catch (error) {
      throw this.mismatch(error, expected.digest);
    }
    return bytes;
  }

  /** Returns the error for a blob whose digest is wrong; returns any other error unchanged. */
  mismatch(error: unknown, digest: Digest): unknown {
    if (!(error instanceof DigestMismatchError)) return error;
    const state = `${digest} does not match its digest`;
    return new ArchiveError(this.name, "damaged", state, { cause: error });
  }

  /** Returns the error for a blob that the archive should have. */
  missing(digest: Digest): ArchiveError {
    return new ArchiveError(this.name, "incomplete", `it does not have ${digest}`);
  }

  #place(digest: Digest): Place | undefined {
    return this.#places.get(digest) ??
      this.entries.files.get(`blobs/${digestPath(digest)}`);
  }
}
