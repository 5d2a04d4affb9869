/** What a tar entry is. Old and contiguous files are files; anything unknown is an error. */
export type TarEntryType =
  | "file"
  | "hardlink"
  | "symlink"
  | "character-device"
  | "block-device"
  | "directory"
  | "fifo";

/** A run of bytes that a sparse file has; what lies between two runs is zero. */
export interface TarSegment {
  /** Where in the file it begins. */
  readonly offset: number;
  /** How many bytes it has. */
  readonly size: number;
}

/**
 * What a tar archive says of an entry, whichever of its dialects says it: v7, ustar, pax, GNU,
 * star.
 *
 * Names are text when they are UTF-8. Each byte that is not part of UTF-8 stands as a lone
 * surrogate, U+DC80 to U+DCFF, so that names stay distinct and can be turned back into the
 * same bytes.
 */
export interface TarHeader {
  /** Where the header (the first block of it) begins in the archive, in bytes. */
  readonly offset: number;
  /** What the entry is. */
  readonly type: TarEntryType;
  /** Its name, as it stands in the archive. */
  readonly path: string;
  /** What a link points to, as it stands in the archive; of no meaning for what is no link. */
  readonly linkname: string;
  /** Permission bits, set-user-id, set-group-id and sticky: at most 0o7777. */
  readonly mode: number;
  /** Numeric owner. */
  readonly uid: number;
  /** Numeric group. */
  readonly gid: number;
  /** Name of the owner, or empty. */
  readonly uname: string;
  /** Name of the group, or empty. */
  readonly gname: string;
  /** Size of the file in bytes, holes included; 0 for what is no file. */
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
  /** The runs of bytes of a sparse file, in order; absent for others. */
  readonly segments?: readonly TarSegment[] | undefined;
  /** Every pax record that applies, by key, raw; absent if there is none. */
  readonly pax?: ReadonlyMap<string, Uint8Array> | undefined;
}

/**
 * Takes what a tar archive holds, as it is parsed: one `entry`, then the bytes of its body,
 * then `end`; then the next one. All calls are synchronous, and a call that throws ends the
 * parsing.
 */
export interface TarSink {
  /** An entry begins. */
  entry(header: TarHeader): void;
  /**
   * Bytes of the current entry. They are valid during the call alone.
   *
   * @param chunk The bytes.
   * @param offset Where in the file they belong; grows from call to call, over holes too.
   */
  data(chunk: Uint8Array, offset: number): void;
  /** The current entry is complete. */
  end(): void;
}
