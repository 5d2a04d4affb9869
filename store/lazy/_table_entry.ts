import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { Digest } from "../../spec/digest.ts";

/** A piece of a file's content that has its own digest. */
export interface ContentChunk {
  /** Number of bytes. */
  readonly size: number;
  /** Digest of the bytes; absent if all of them are zeros. */
  readonly digest?: Digest | undefined;
}

/** Place of the content of a file in the blob of its layer. */
export interface ContentExtent {
  /** Offset in the blob at which decompression starts. */
  readonly start: number;
  /** Offset in the blob after the content. */
  readonly end: number;
  /** Number of decompressed bytes before the content. */
  readonly skip: number;
  /** The whole content, in order. */
  readonly chunks: readonly ContentChunk[];
}

/** An entry of the table of contents of a layer. */
export interface TableEntry {
  /** Metadata; the offset is the number of the entry. */
  readonly header: TarHeader;
  /** Absent for an empty file and for other types of entries. */
  readonly content?: ContentExtent | undefined;
}

/** Thrown when a table of contents cannot be used. The whole layer can be read instead. */
export class TableError extends Error {
  override name = "TableError";
}
