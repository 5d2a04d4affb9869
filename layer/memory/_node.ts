import type { FileStatus, FileType, TreeFile } from "../trees/file_tree.ts";
import type { XattrTable } from "./_xattr_table.ts";

const TYPES: readonly FileType[] = [
  "file",
  "directory",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
];

/** Size of a record, and offsets of its fields: five of 64 bits, then fields of 32 bits. */
export const NODE_BYTES = 76;
const SIZE = 0;
const MTIME = 8;
const OFFSET = 16;
const UID = 24;
const GID = 32;
const MTIME_NS = 40;
const NLINK = 44;
const TYPE_AND_MODE = 48;
const LAYER = 52;
const PARENT = 56;
const FIRST = 60;
const NEXT = 64;
const PREVIOUS = 68;
const FILE = 72;

/** Attributes that few nodes have, by node number. */
export interface NodeAttributes {
  readonly targets: Map<number, string>;
  readonly xattrs: XattrTable;
  readonly devices: Map<number, readonly [number, number]>;
}

/** A file of a tree in memory: a view of its record. */
export class Node implements TreeFile {
  /** Number of the node. */
  readonly ino: number;
  readonly #view: DataView;
  readonly #at: number;
  readonly #attributes: NodeAttributes;

  /** Creates a view of an existing record. */
  constructor(view: DataView, at: number, number: number, attributes: NodeAttributes) {
    this.ino = number;
    this.#view = view;
    this.#at = at;
    this.#attributes = attributes;
  }

  /** Resets the record for a new file. */
  initialize(type: FileType, mode: number): void {
    new Uint8Array(this.#view.buffer, this.#at, NODE_BYTES).fill(0);
    this.#set(TYPE_AND_MODE, TYPES.indexOf(type) << 12 | mode);
    this.nlink = 1;
  }

  /** Returns the current metadata. */
  status(): FileStatus {
    const [devmajor, devminor] = this.#attributes.devices.get(this.ino) ?? [0, 0];
    return {
      type: this.type,
      mode: this.#get(TYPE_AND_MODE) & 0o7777,
      uid: this.#getLong(UID),
      gid: this.#getLong(GID),
      size: this.#getLong(SIZE),
      nlink: this.nlink,
      mtime: this.#getLong(MTIME),
      mtimeNs: this.#get(MTIME_NS),
      dev: 1,
      ino: this.ino,
      devmajor,
      devminor,
    };
  }

  get type(): FileType {
    return TYPES[this.#get(TYPE_AND_MODE) >> 12] as FileType;
  }

  get nlink(): number {
    return this.#get(NLINK);
  }

  set nlink(count: number) {
    this.#set(NLINK, count);
  }

  get target(): string {
    return this.#attributes.targets.get(this.ino) ?? "";
  }

  get xattrs(): ReadonlyMap<string, Uint8Array> {
    return this.#attributes.xattrs.of(this.ino);
  }

  /** Number of the layer with the content. */
  get layer(): number {
    return this.#get(LAYER);
  }

  /** Offset of the header in the archive of that layer. */
  get offset(): number {
    return this.#getLong(OFFSET);
  }

  setPlace(layer: number, offset: number): void {
    this.#set(LAYER, layer);
    this.#setLong(OFFSET, offset);
  }

  /** Parent directory; 0 for the root and for detached nodes. */
  get parent(): number {
    return this.#get(PARENT);
  }

  set parent(number: number) {
    this.#set(PARENT, number);
  }

  /** First child of a directory, or 0. */
  get first(): number {
    return this.#get(FIRST);
  }

  set first(number: number) {
    this.#set(FIRST, number);
  }

  /** Next sibling, or 0. */
  get next(): number {
    return this.#get(NEXT);
  }

  set next(number: number) {
    this.#set(NEXT, number);
  }

  /** Previous sibling, or 0. */
  get previous(): number {
    return this.#get(PREVIOUS);
  }

  set previous(number: number) {
    this.#set(PREVIOUS, number);
  }

  /** The file that this is a hard link to, or 0. */
  get file(): number {
    return this.#get(FILE);
  }

  set file(number: number) {
    this.#set(FILE, number);
  }

  setTarget(target: string): void {
    this.truncate(target.length);
    this.#attributes.targets.set(this.ino, target);
  }

  setDevice(devmajor: number, devminor: number): void {
    this.#attributes.devices.set(this.ino, [devmajor, devminor]);
  }

  write(bytes: Uint8Array, position: number): void {
    this.truncate(Math.max(this.#getLong(SIZE), position + bytes.length));
  }

  truncate(size: number): void {
    this.#setLong(SIZE, size);
  }

  setOwner(uid: number, gid: number): void {
    this.#setLong(UID, uid);
    this.#setLong(GID, gid);
  }

  setMode(mode: number): void {
    this.#set(TYPE_AND_MODE, TYPES.indexOf(this.type) << 12 | mode & 0o7777);
  }

  setTimes(mtime: number, mtimeNs: number): void {
    this.#setLong(MTIME, mtime);
    this.#set(MTIME_NS, mtimeNs);
  }

  setXattr(name: string, value: Uint8Array): void {
    this.#attributes.xattrs.set(this.ino, name, value);
  }

  getXattr(name: string): Uint8Array | undefined {
    return this.xattrs.get(name);
  }

  listXattrs(): readonly string[] {
    return [...this.xattrs.keys()];
  }

  removeXattr(name: string): void {
    this.#attributes.xattrs.remove(this.ino, name);
  }

  [Symbol.dispose](): void {}

  #get(field: number): number {
    return this.#view.getUint32(this.#at + field, true);
  }

  #set(field: number, value: number): void {
    this.#view.setUint32(this.#at + field, value, true);
  }

  /** Reads a number that may exceed 32 bits: an archive can specify any owner. */
  #getLong(field: number): number {
    return this.#view.getFloat64(this.#at + field, true);
  }

  #setLong(field: number, value: number): void {
    this.#view.setFloat64(this.#at + field, value, true);
  }
}
