import type { XattrTable } from "./_xattr_table.ts";
import type { FileStatus, FileType, TreeFile } from "./file_tree.ts";

const TYPES: readonly FileType[] = [
  "file",
  "directory",
  "symlink",
  "character-device",
  "block-device",
  "fifo",
  "socket",
];

/** Bytes of a record, and where in it its numbers stand: five of 64 bits, then some of 32. */
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

/** What few nodes have, by their numbers. */
export interface NodeAttributes {
  readonly targets: Map<number, string>;
  readonly xattrs: XattrTable;
  readonly devices: Map<number, readonly [number, number]>;
}

/** What is known of a file of a tree in memory: a record, which is read and written in place. */
export class Node implements TreeFile {
  /** Its number in the tree. */
  readonly ino: number;
  readonly #view: DataView;
  readonly #at: number;
  readonly #attributes: NodeAttributes;

  /** The record at a place, as it is. */
  constructor(view: DataView, at: number, number: number, attributes: NodeAttributes) {
    this.ino = number;
    this.#view = view;
    this.#at = at;
    this.#attributes = attributes;
  }

  /** Makes a new file of the record. */
  initialize(type: FileType, mode: number): void {
    new Uint8Array(this.#view.buffer, this.#at, NODE_BYTES).fill(0);
    this.#set(TYPE_AND_MODE, TYPES.indexOf(type) << 12 | mode);
    this.nlink = 1;
  }

  /** What a file system would say of it now. */
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

  /** Which layer has its content. */
  get layer(): number {
    return this.#get(LAYER);
  }

  /** Where in that layer's archive its header begins. */
  get offset(): number {
    return this.#getLong(OFFSET);
  }

  setPlace(layer: number, offset: number): void {
    this.#set(LAYER, layer);
    this.#setLong(OFFSET, offset);
  }

  /** The directory that it is in; 0 if it is the root, or in none. */
  get parent(): number {
    return this.#get(PARENT);
  }

  set parent(number: number) {
    this.#set(PARENT, number);
  }

  /** The first node in it, if it is a directory that has any; else 0. */
  get first(): number {
    return this.#get(FIRST);
  }

  set first(number: number) {
    this.#set(FIRST, number);
  }

  /** The next node in its directory; 0 if it is the last. */
  get next(): number {
    return this.#get(NEXT);
  }

  set next(number: number) {
    this.#set(NEXT, number);
  }

  /** The one before it; 0 if it is the first. */
  get previous(): number {
    return this.#get(PREVIOUS);
  }

  set previous(number: number) {
    this.#set(PREVIOUS, number);
  }

  /** The file that it is another name of; 0 if it is a file by itself. */
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

  /** A number that may be no integer of 32 bits: an owner can be any that an archive says. */
  #getLong(field: number): number {
    return this.#view.getFloat64(this.#at + field, true);
  }

  #setLong(field: number, value: number): void {
    this.#view.setFloat64(this.#at + field, value, true);
  }
}
