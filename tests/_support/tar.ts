/**
 * Layers for tests, entry by entry, byte by byte. Shares no code with `layer/`, so that each can
 * test the other.
 *
 * ```ts ignore
 * const layer = tar(
 *   dir("etc"),
 *   file("etc/passwd", "root:x:0:0::/root:/bin/sh\n", { mode: 0o600 }),
 *   symlink("bin", "usr/bin"),
 *   whiteout("etc/hosts"),
 * );
 * ```
 *
 * Every entry is bytes, so that hostile blocks from `header()` can be placed between them.
 *
 * @module
 */
import { concat, type Content, toUint8Array } from "./bytes.ts";
import { padded } from "./tar_block.ts";
import { entry, type EntryOptions } from "./tar_entry.ts";

export * from "./bytes.ts";
export * from "./compress.ts";
export * from "./tar_block.ts";
export * from "./tar_entry.ts";
export * from "./tar_sparse.ts";

/** An archive: the entries and two blocks of zeros. */
export function tar(...entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(...entries, new Uint8Array(1024));
}

/** A regular file. */
export function file(
  name: Content,
  content: Content = "",
  options: EntryOptions = {},
): Uint8Array<ArrayBuffer> {
  const body = toUint8Array(content);
  const block = entry({ name, size: body.length, typeflag: "0", mode: 0o644 }, options);
  return body.length === 0 ? block : concat(block, padded(body));
}

/** A directory; its name ends in a slash, as tools write it. */
export function dir(name: Content, options: EntryOptions = {}): Uint8Array<ArrayBuffer> {
  const bytes = toUint8Array(name);
  const path = bytes.at(-1) === 0x2f ? bytes : concat(bytes, Uint8Array.of(0x2f));
  return entry({ name: path, typeflag: "5", mode: 0o755 }, options);
}

/** A symbolic link at `name` to `target`. */
export function symlink(
  name: Content,
  target: Content,
  options: EntryOptions = {},
): Uint8Array<ArrayBuffer> {
  return entry({ name, linkname: target, typeflag: "2", mode: 0o777 }, options);
}

/** A hard link at `name` to the entry `target`. */
export function hardlink(
  name: Content,
  target: Content,
  options: EntryOptions = {},
): Uint8Array<ArrayBuffer> {
  return entry({ name, linkname: target, typeflag: "1", mode: 0o644 }, options);
}

/** A named pipe. */
export function fifo(name: Content, options: EntryOptions = {}): Uint8Array<ArrayBuffer> {
  return entry({ name, typeflag: "6", mode: 0o644 }, options);
}

/** A device node. */
export function device(
  name: Content,
  kind: "character" | "block",
  devmajor: number,
  devminor: number,
  options: EntryOptions = {},
): Uint8Array<ArrayBuffer> {
  const typeflag = kind === "character" ? "3" : "4";
  return entry({ name, typeflag, devmajor, devminor, mode: 0o644 }, options);
}

/** The whiteout that removes `name` of the layers below. */
export function whiteout(name: string, options: EntryOptions = {}): Uint8Array<ArrayBuffer> {
  const at = name.lastIndexOf("/") + 1;
  return file(`${name.slice(0, at)}.wh.${name.slice(at)}`, "", options);
}

/**
 * The opaque whiteout that hides everything of the layers below in a directory; `""` is the root.
 */
export function opaque(name: string, options: EntryOptions = {}): Uint8Array<ArrayBuffer> {
  return file(name === "" ? ".wh..wh..opq" : `${name}/.wh..wh..opq`, "", options);
}
