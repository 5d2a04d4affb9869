import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { Digest } from "../../spec/digest.ts";

/** Place of bytes in the blob of a layer. */
export interface Extent {
  /** Offset of the first byte. */
  readonly start: number;
  /** Offset after the last byte. */
  readonly end: number;
}

/**
 * A piece of a file's content that has its own digest. Its place is that of its compressed bytes;
 * decompression starts there.
 */
export interface ContentChunk extends Extent {
  /** Number of decompressed bytes before the piece. */
  readonly skip: number;
  readonly size: number;
  /** Digest of the bytes; absent if all of them are zeros. */
  readonly digest?: Digest | undefined;
}

/** An entry of the table of contents of a layer. */
export interface TableEntry {
  /** Metadata; the offset is the number of the entry. */
  readonly header: TarHeader;
  /** The whole content, in order. Absent for an empty file and for other types of entries. */
  readonly chunks?: readonly ContentChunk[] | undefined;
}

/** Thrown when a table of contents cannot be used. The whole layer can be read instead. */
export class TableError extends Error {
  override name = "TableError";
}
