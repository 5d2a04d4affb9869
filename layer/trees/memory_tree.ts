import type { Node } from "./_node.ts";
import { NodeTable } from "./_node_table.ts";
import { encodeName } from "../file_name.ts";
import { parentPath } from "./clean_path.ts";
import type {
  FileStatus,
  FileTree,
  FileType,
  TreeEntry,
  TreeFile,
  TreeName,
  TreeReader,
} from "./file_tree.ts";

/** Bytes of a path of Linux, with a NUL at its end. */
const PATH_MAX = 4096;

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
  readonly #nodes = new NodeTable();
  /** The directory that was looked into last, and its path. */
  #last = this.#nodes.root.ino;
  #lastPath = "";

  /** What is at a path. */
  status(path: string): FileStatus | undefined {
    const name = this.#find(path);
    return name && this.#file(name).status();
  }

  /** Where the content of the file at a path is. */
  placeOf(path: string): ContentPlace {
    const { layer, offset } = this.#get(path);
    return { layer, offset };
  }

  /** What a symbolic link points to. */
  readLink(path: string): string {
    return this.#get(path).target;
  }

  /** Names in a directory, in the order of their code units. */
  list(path: string): readonly string[] {
    return [...this.names(path)];
  }

  /** The same, and which of them are directories. */
  entries(path: string): readonly TreeName[] {
    return Array.from(this.#nodes.sorted(this.#get(path)), (number) => {
      const isDirectory = this.#nodes.at(number).type === "directory";
      return { name: this.#nodes.nameOf(number), isDirectory };
    });
  }

  /** The same one by one: a directory can have a great many. Do not change the tree meanwhile. */
  *names(path: string): Generator<string, void, void> {
    for (const number of this.#nodes.sorted(this.#get(path))) yield this.#nodes.nameOf(number);
  }

  /**
   * All names but those of directories, with where the content of what has them is: in the order
   * of the layers and of their archives, several names of one file in that of their code units.
   * Do not change the tree meanwhile.
   */
  *contents(): Generator<ContentPlace & { readonly path: string }, void, void> {
    for (const number of this.#contentOrder()) {
      const { layer, offset } = this.#file(this.#nodes.at(number));
      yield { layer, offset, path: this.#pathOf(number) };
    }
  }

  /**
   * All directories but the root, each before those in it, in the order of their names; and whether
   * there is nothing in them. Do not change the tree meanwhile.
   */
  *directories(): Generator<{ readonly path: string; readonly isEmpty: boolean }, void, void> {
    const directoriesIn = (node: Node) => this.#nodes.sorted(node, "directory").values();
    const open = [{ prefix: "", directories: directoriesIn(this.#nodes.root) }];
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { done, value: number } = top.directories.next();
      if (done) {
        open.pop();
        continue;
      }
      const node = this.#nodes.at(number);
      const path = top.prefix + this.#nodes.nameOf(number);
      yield { path, isEmpty: node.first === 0 };
      open.push({ prefix: `${path}/`, directories: directoriesIn(node) });
    }
  }

  /** Extended attributes by name. */
  xattrsOf(path: string): ReadonlyMap<string, Uint8Array> {
    return this.#get(path).xattrs;
  }

  /** Always fails: there is no content. */
  openFile(path: string): TreeReader {
    throw new Deno.errors.NotSupported(`Cannot read "${path}": its content is elsewhere`);
  }

  /** Always fails: in memory nothing is put over anything else. */
  rename(from: string): never {
    throw new Deno.errors.NotSupported(`Cannot rename "${from}" in memory`);
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
    node?.setTarget(target);
    return node !== undefined;
  }

  /** Gives an entry another name. */
  makeLink(path: string, target: string): void {
    const file = this.#get(target);
    const name = this.#make(path, file.type, 0);
    if (name === undefined) throw failure(new Deno.errors.AlreadyExists(path), "EEXIST");
    name.file = file.ino;
    file.nlink++;
  }

  /** Makes a device or a FIFO. */
  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean {
    const node = this.#make(path, type, 0o600);
    node?.setDevice(devmajor, devminor);
    return node !== undefined;
  }

  /** Opens an entry to change its metadata. */
  open(path: string): TreeEntry {
    return this.#get(path);
  }

  /** Removes a name of something that has nothing in it. */
  unlink(path: string): void {
    const name = this.#find(path);
    if (name === undefined) throw gone(path);
    // A directory that gets its number later would have what is in it.
    if (name.first !== 0) throw failure(new Error(`"${path}" is not empty`), "ENOTEMPTY");
    const file = this.#file(name);
    this.#nodes.detach(name);
    this.#lastPath = "";
    this.#last = this.#nodes.root.ino;
    // What has another name stays, with the number that it has.
    if (--file.nlink === 0) this.#nodes.free(file);
    if (name.ino !== file.ino) this.#nodes.free(name);
  }

  /** Removes an empty directory. */
  removeDirectory(path: string): void {
    this.unlink(path);
  }

  /** Does nothing. */
  [Symbol.dispose](): void {}

  #make(path: string, type: FileType, mode: number): Node | undefined {
    if (!isPath(path)) throw failure(new Error("its path is too long"), "ENAMETOOLONG");
    const number = this.#directory(path);
    if (number === 0) throw gone(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (this.#nodes.find(number, name) !== 0) return undefined;
    const parent = this.#nodes.at(number);
    if (parent.type !== "directory") {
      throw failure(new Deno.errors.NotADirectory(`"${path}" is in no directory`), "ENOTDIR");
    }
    const node = this.#nodes.add(parent, name, type, mode);
    node.setPlace(this.place.layer, this.place.offset);
    return node;
  }

  /** The file at a path, whichever of its names that is. */
  #get(path: string): Node {
    const name = this.#find(path);
    if (name === undefined) throw gone(path);
    return this.#file(name);
  }

  #file(name: Node): Node {
    return name.file === 0 ? name : this.#nodes.at(name.file);
  }

  #find(path: string): Node | undefined {
    if (path === "") return this.#nodes.root;
    const parent = this.#directory(path);
    const name = path.slice(path.lastIndexOf("/") + 1);
    const number = parent === 0 ? 0 : this.#nodes.find(parent, name);
    return number === 0 ? undefined : this.#nodes.at(number);
  }

  /** The number of the directory that a path is in, or 0. */
  #directory(path: string): number {
    const directory = parentPath(path);
    if (directory === this.#lastPath) return this.#last;
    const isBelow = this.#lastPath !== "" && directory.startsWith(`${this.#lastPath}/`);
    const rest = isBelow ? directory.slice(this.#lastPath.length + 1) : directory;
    let number = isBelow ? this.#last : this.#nodes.root.ino;
    for (const name of rest === "" ? [] : rest.split("/")) {
      number = this.#nodes.find(number, name);
      if (number === 0) return 0;
    }
    this.#lastPath = directory;
    return this.#last = number;
  }

  #pathOf(number: number): string {
    const { parent } = this.#nodes.at(number);
    const name = this.#nodes.nameOf(number);
    return parent === this.#nodes.root.ino ? name : `${this.#pathOf(parent)}/${name}`;
  }

  #contentOrder(): readonly number[] {
    const numbers: number[] = [];
    for (let number = this.#nodes.root.ino + 1; number < this.#nodes.size; number++) {
      const { parent, type } = this.#nodes.at(number);
      if (parent !== 0 && type !== "directory") numbers.push(number);
    }
    // They are all but in order, most often, which the sorting makes use of.
    return numbers.sort((one, other) => {
      const a = this.#file(this.#nodes.at(one));
      const b = this.#file(this.#nodes.at(other));
      if (a.layer !== b.layer) return a.layer - b.layer;
      if (a.offset !== b.offset) return a.offset - b.offset;
      return this.#pathOf(one) < this.#pathOf(other) ? -1 : 1;
    });
  }
}

/** Whether the system would take it: links in the names of entries lead deeper than names can. */
function isPath(path: string): boolean {
  return path.length * 3 < PATH_MAX || encodeName(path).length < PATH_MAX;
}

function gone(path: string): Error {
  return failure(new Deno.errors.NotFound(`"${path}" is gone`), "ENOENT");
}

function failure(error: Error, code: string): Error {
  return Object.assign(error, { code });
}
