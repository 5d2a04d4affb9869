import type {
  FileStatus,
  FileTree,
  FileType,
  TreeEntry,
  TreeFile,
  TreeReader,
} from "./file_tree.ts";

/** Where the content of a file of a {@linkcode MemoryTree} is. */
export interface ContentPlace {
  /** Which layer, as the maker of the tree counts them. */
  readonly layer: number;
  /** Where in its archive the header of the entry begins. */
  readonly offset: number;
}

/**
 * A tree in memory that knows everything of its files but their content, of which it notes where
 * that is. A layer that is extracted into it is a list of what is in it, in the sense in which an
 * extraction understands the layer.
 *
 * @example What a layer has
 * ```ts
 * import { extractLayer, MemoryTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const tree = new MemoryTree();
 * await extractLayer(new Blob([new Uint8Array(1024)]).stream(), tree);
 *
 * assertEquals(tree.list(""), []);
 * ```
 */
export class MemoryTree implements FileTree {
  /** Names that are not UTF-8, and all metadata, are kept as by system calls. */
  readonly backend = "native";
  /** Nowhere. */
  readonly root = "";
  /** What is made from now on has its content there. */
  place: ContentPlace = { layer: 0, offset: 0 };
  readonly #root = new Node("directory", 0o755, 1, this.place);
  #nodes = 1;

  /** What is at a path. */
  status(path: string): FileStatus | undefined {
    return this.#find(path);
  }

  /** Where the content of the file at a path is. */
  placeOf(path: string): ContentPlace {
    return this.#get(path).place;
  }

  /** What a symbolic link points to. */
  readLink(path: string): string {
    return this.#get(path).target;
  }

  /** Names in a directory. */
  list(path: string): readonly string[] {
    return [...this.#get(path).children.keys()];
  }

  /** Extended attributes by name. */
  xattrsOf(path: string): ReadonlyMap<string, Uint8Array> {
    return this.#get(path).xattrs;
  }

  /** Always fails: there is no content. */
  openFile(path: string): TreeReader {
    throw new Deno.errors.NotSupported(`Cannot read "${path}": its content is elsewhere`);
  }

  /** Makes a directory. */
  makeDirectory(path: string): boolean {
    return this.#make(path, "directory", 0o700) !== undefined;
  }

  /** Makes a file; what is written to it is counted. */
  createFile(path: string): TreeFile | undefined {
    return this.#make(path, "file", 0o600);
  }

  /** Makes a symbolic link. */
  makeSymlink(path: string, target: string): boolean {
    const node = this.#make(path, "symlink", 0o777);
    if (node === undefined) return false;
    node.pointTo(target);
    return true;
  }

  /** Gives an entry another name. */
  makeLink(path: string, target: string): void {
    const node = this.#get(target);
    if (!this.#add(path, node)) throw failure(new Deno.errors.AlreadyExists(path), "EEXIST");
    node.nlink++;
  }

  /** Makes a device or a FIFO. */
  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean {
    const node = this.#make(path, type, 0o600);
    if (node === undefined) return false;
    node.stand(devmajor, devminor);
    return true;
  }

  /** Opens an entry to change its metadata. */
  open(path: string): TreeEntry {
    return this.#get(path);
  }

  /** Removes a name. */
  unlink(path: string): void {
    this.#get(path).nlink--;
    this.#parent(path).children.delete(baseName(path));
  }

  /** Removes an empty directory. */
  removeDirectory(path: string): void {
    this.unlink(path);
  }

  /** Does nothing. */
  [Symbol.dispose](): void {}

  #make(path: string, type: FileType, mode: number): Node | undefined {
    const node = new Node(type, mode, ++this.#nodes, this.place);
    return this.#add(path, node) ? node : undefined;
  }

  #add(path: string, node: Node): boolean {
    const { children } = this.#parent(path);
    const name = baseName(path);
    if (children.has(name)) return false;
    children.set(name, node);
    return true;
  }

  #parent(path: string): Node {
    return this.#get(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
  }

  #get(path: string): Node {
    const node = this.#find(path);
    if (node === undefined) throw failure(new Deno.errors.NotFound(`"${path}" is gone`), "ENOENT");
    return node;
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root;
    if (path === "") return node;
    for (const name of path.split("/")) {
      node = node.type === "directory" ? node.children.get(name) : undefined;
      if (node === undefined) return undefined;
    }
    return node;
  }
}

/** What few entries have; images have hundreds of thousands of entries. */
interface Rarity {
  children?: Map<string, Node>;
  target?: string;
  xattrs?: Map<string, Uint8Array>;
  devmajor?: number;
  devminor?: number;
}

const NOTHING: Rarity = Object.freeze({});
const NO_CHILDREN: Map<string, Node> = new Map();
const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

class Node implements FileStatus, TreeFile {
  readonly type: FileType;
  mode: number;
  uid = 0;
  gid = 0;
  size = 0;
  nlink = 1;
  mtime = 0;
  mtimeNs = 0;
  readonly ino: number;
  readonly #layer: number;
  readonly #offset: number;
  #rarity = NOTHING;

  constructor(type: FileType, mode: number, ino: number, { layer, offset }: ContentPlace) {
    this.type = type;
    this.mode = mode;
    this.ino = ino;
    this.#layer = layer;
    this.#offset = offset;
    if (type === "directory") this.#set({ children: new Map() });
  }

  get place(): ContentPlace {
    return { layer: this.#layer, offset: this.#offset };
  }

  get dev(): number {
    return 1;
  }

  get devmajor(): number {
    return this.#rarity.devmajor ?? 0;
  }

  get devminor(): number {
    return this.#rarity.devminor ?? 0;
  }

  get children(): Map<string, Node> {
    return this.#rarity.children ?? NO_CHILDREN;
  }

  get target(): string {
    return this.#rarity.target ?? "";
  }

  get xattrs(): ReadonlyMap<string, Uint8Array> {
    return this.#rarity.xattrs ?? NO_XATTRS;
  }

  pointTo(target: string): void {
    this.size = target.length;
    this.#set({ target });
  }

  stand(devmajor: number, devminor: number): void {
    this.#set({ devmajor, devminor });
  }

  write(bytes: Uint8Array, position: number): void {
    this.size = Math.max(this.size, position + bytes.length);
  }

  truncate(size: number): void {
    this.size = size;
  }

  setOwner(uid: number, gid: number): void {
    this.uid = uid;
    this.gid = gid;
  }

  setMode(mode: number): void {
    this.mode = mode;
  }

  setTimes(mtime: number, mtimeNs: number): void {
    this.mtime = mtime;
    this.mtimeNs = mtimeNs;
  }

  setXattr(name: string, value: Uint8Array): void {
    this.#set({ xattrs: new Map(this.xattrs).set(name, value.slice()) });
  }

  getXattr(name: string): Uint8Array | undefined {
    return this.xattrs.get(name);
  }

  listXattrs(): readonly string[] {
    return [...this.xattrs.keys()];
  }

  removeXattr(name: string): void {
    const xattrs = new Map(this.xattrs);
    xattrs.delete(name);
    this.#set({ xattrs });
  }

  [Symbol.dispose](): void {}

  #set(rarity: Rarity): void {
    this.#rarity = { ...this.#rarity, ...rarity };
  }
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function failure(error: Error, code: string): Error {
  return Object.assign(error, { code });
}
