/** Type of a tar entry. Old and contiguous files are files; an unknown type is an error. */
export type TarEntryType =
  | "file"
  | "hardlink"
  | "symlink"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

/** A segment of data in a sparse file. The gaps between segments are zeros. */
export interface TarSegment {
  /** Offset in the file. */
  readonly offset: number;
  /** Number of bytes. */
  readonly size: number;
}

/**
 * Header of a tar entry, in any dialect: v7, ustar, pax, GNU or star.
 *
 * Each byte of a name that is not valid UTF-8 is represented as a lone surrogate, U+DC80 to U+DCFF,
 * so that names stay distinct and `encodeName()` restores their bytes.
 */
export interface TarHeader {
  /** Offset of the first header block in the archive, in bytes. */
  readonly offset: number;
  /** Type of the entry. */
  readonly type: TarEntryType;
  /** Name in the archive. */
  readonly path: string;
  /** Target of a link, as in the archive; meaningless for other types. */
  readonly linkname: string;
  /** Permission, set-user-ID, set-group-ID and sticky bits: at most 0o7777. */
  readonly mode: number;
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
  /** User name, or empty. */
  readonly uname: string;
  /** Group name, or empty. */
  readonly gname: string;
  /** Size of the file in bytes, including holes; 0 for other types. */
  readonly size: number;
  /** Modification time: whole seconds since 1970, rounded down. */
  readonly mtime: number;
  /** Nanoseconds after `mtime`. */
  readonly mtimeNs: number;
  /** Major device number. */
  readonly devmajor: number;
  /** Minor device number. */
  readonly devminor: number;
  /** Extended attributes by name; values are bytes. */
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
  /** Segments of a sparse file, in order; absent for other entries. */
  readonly segments?: readonly TarSegment[] | undefined;
  /** Raw pax records that apply to the entry, by key; absent if there are none. */
  readonly pax?: ReadonlyMap<string, Uint8Array> | undefined;
}

/**
 * Receives the entries of a tar archive while it is parsed. For each entry, the parser calls
 * `entry`, then `data` for its content, then `end`. All calls are synchronous; an error stops the
 * parser.
 */
export interface TarSink {
  /** Called with the header of each entry. */
  entry(header: TarHeader): void;
  /**
   * Called with content of the current entry, which is only valid during the call.
   *
   * @param chunk The bytes.
   * @param offset Offset of the bytes in the file, which increases from call to call.
   */
  data(chunk: Uint8Array, offset: number): void;
  /** Called when the current entry is complete. */
  end(): void;
}
