import { withCode } from "../../spec/error_facts.ts";
import { checkPathSize, childPath, isBelow, leafName, parentPath } from "../trees/clean_path.ts";
import type {
  FileStatus,
  FileTree,
  FileType,
  TreeEntry,
  TreeFile,
  TreeName,
  TreeReader,
} from "../trees/file_tree.ts";
import { contentOrder, fileOf } from "./_content_order.ts";
import type { Node } from "./_node.ts";
import { NodeTable } from "./_node_table.ts";

/** Position of the content of a file of a {@linkcode MemoryTree}. */
export interface ContentPlace {
  /** Number of the layer, as counted by the creator of the tree. */
  readonly layer: number;
  /** Offset of the entry's header in the archive of the layer. */
  readonly offset: number;
}

/**
 * A tree in memory with the metadata of files, and the positions of their content. Extract a layer
 * into it to list the files of the layer.
 *
 * @example List a directory of a layer
 * ```ts
 * import { extractLayer, MemoryTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const tree = new MemoryTree();
 * await extractLayer(layer.readable, tree);
 *
 * assertEquals(tree.list("etc"), ["os-release", "passwd"]);
 * assertEquals(tree.status("bin/busybox")?.mode, 0o755);
 * ```
 */
export class MemoryTree implements FileTree {
  /** Keeps all names and all metadata, like the native backend. */
  readonly backend = "native";
  /** Empty: the tree is not on a file system. */
  readonly root = "";
  /** Position of the content of entries that are created next. */
  place: ContentPlace = { layer: 0, offset: 0 };
  readonly #nodes = new NodeTable();
  /** The most recently used directory and its path. */
  #last = this.#nodes.root.ino;
  #lastPath = "";

  /** Returns the metadata of an entry. */
  status(path: string): FileStatus | undefined {
    const name = this.#find(path);
    return name && fileOf(this.#nodes, name).status();
  }

  /** Returns the position of the content of a file. */
  placeOf(path: string): ContentPlace {
    const { layer, offset } = this.#get(path);
    return { layer, offset };
  }

  /** Returns the target of a symbolic link. */
  readLink(path: string): string {
    return this.#get(path).target;
  }

  /** Lists the names in a directory, sorted by code units. */
  list(path: string): readonly string[] {
    return [...this.names(path)];
  }

  /** Lists the names in a directory with their kinds. */
  entries(path: string): readonly TreeName[] {
    return Array.from(this.#nodes.sorted(this.#get(path)), (number) => {
      const isDirectory = this.#nodes.at(number).type === "directory";
      return { name: this.#nodes.nameOf(number), isDirectory };
    });
  }

  /** Yields the names in a directory one by one. Do not change the tree during the iteration. */
  *names(path: string): Generator<string, void, void> {
    for (const number of this.#nodes.sorted(this.#get(path))) yield this.#nodes.nameOf(number);
  }

  /**
   * Yields all paths except directories with the positions of their content, in the order of the
   * layers and their archives. Hard links are sorted by code units. Do not change the tree during
   * the iteration.
   */
  *contents(): Generator<ContentPlace & { readonly path: string }, void, void> {
    let last = { parent: 0, path: "" };
    for (const number of contentOrder(this.#nodes)) {
      const node = this.#nodes.at(number);
      const { parent } = node;
      if (parent !== last.parent) last = { parent, path: this.#pathOf(parent) };
      const { layer, offset } = fileOf(this.#nodes, node);
      yield { layer, offset, path: childPath(last.path, this.#nodes.nameOf(number)) };
    }
  }

  /**
   * Yields all directories except the root, parents first, sorted by name, and whether they are
   * empty. Do not change the tree during the iteration.
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

  /** Returns the extended attributes of an entry by name. */
  xattrsOf(path: string): ReadonlyMap<string, Uint8Array> {
    return this.#get(path).xattrs;
  }

  /** Always throws: the tree has no content. */
  openFile(path: string): TreeReader {
    throw new Deno.errors.NotSupported(`Cannot read "${path}": a tree in memory has no content`);
  }

  /** Always throws: renaming is not supported. */
  rename(from: string): never {
    throw new Deno.errors.NotSupported(
      `Cannot rename "${from}": a tree in memory does not support it`,
    );
  }

  /** Creates a directory. */
  makeDirectory(path: string): boolean {
    return this.#make(path, "directory", 0o700) !== undefined;
  }

  /** Creates a file. Writing to it only changes its size. */
  createFile(path: string): TreeFile | undefined {
    return this.#make(path, "file", 0o600);
  }

  /** Creates a symbolic link. */
  makeSymlink(path: string, target: string): boolean {
    const node = this.#make(path, "symlink", 0o777);
    node?.setTarget(target);
    return node !== undefined;
  }

  /** Creates a hard link. */
  makeLink(path: string, target: string): void {
    const file = this.#get(target);
    const name = this.#make(path, file.type, 0);
    if (name === undefined) throw withCode(new Deno.errors.AlreadyExists(path), "EEXIST");
    name.file = file.ino;
    file.nlink++;
  }

  /** Creates a device or a FIFO. */
  makeNode(path: string, type: FileType, devmajor: number, devminor: number): boolean {
    const node = this.#make(path, type, 0o600);
    node?.setDevice(devmajor, devminor);
    return node !== undefined;
  }

  /** Opens an entry to change its metadata. */
  open(path: string): TreeEntry {
    return this.#get(path);
  }

  /** Removes an entry that is not a directory with content. */
  unlink(path: string): void {
    const name = this.#find(path);
    if (name === undefined) throw notFound(path);
    // A later directory with the same number would inherit the content.
    if (name.first !== 0) throw withCode(new Error(`"${path}" is not empty`), "ENOTEMPTY");
    const file = fileOf(this.#nodes, name);
    this.#nodes.detach(name);
    this.#lastPath = "";
    this.#last = this.#nodes.root.ino;
    // A file with other hard links keeps its number.
    if (--file.nlink === 0) this.#nodes.free(file);
    if (name.ino !== file.ino) this.#nodes.free(name);
  }

  /** Removes an empty directory. */
  removeDirectory(path: string): void {
    this.unlink(path);
  }

  /** Does nothing: files are always complete. */
  settle(): void {}

  /** Does nothing. */
  [Symbol.dispose](): void {}

  #make(path: string, type: FileType, mode: number): Node | undefined {
    checkPathSize(path);
    const number = this.#directory(path);
    if (number === 0) throw notFound(path);
    const name = leafName(path);
    if (this.#nodes.find(number, name) !== 0) return undefined;
    const parent = this.#nodes.at(number);
    if (parent.type !== "directory") {
      throw withCode(
        new Deno.errors.NotADirectory(`the parent of "${path}" is not a directory`),
        "ENOTDIR",
      );
    }
    const node = this.#nodes.add(parent, name, type, mode);
    node.setPlace(this.place.layer, this.place.offset);
    return node;
  }

  /** Returns the file at a path, which may be a hard link. */
  #get(path: string): Node {
    const name = this.#find(path);
    if (name === undefined) throw notFound(path);
    return fileOf(this.#nodes, name);
  }

  #find(path: string): Node | undefined {
    if (path === "") return this.#nodes.root;
    const parent = this.#directory(path);
    const name = leafName(path);
    const number = parent === 0 ? 0 : this.#nodes.find(parent, name);
    return number === 0 ? undefined : this.#nodes.at(number);
  }

  /** Returns the number of the parent of a path, or 0. */
  #directory(path: string): number {
    const directory = parentPath(path);
    if (directory === this.#lastPath) return this.#last;
    const last = this.#lastPath;
    if (directory !== "" && isBelow(last, directory)) return this.#ascend(directory);
    const isLower = last !== "" && isBelow(directory, last);
    const rest = isLower ? directory.slice(last.length + 1) : directory;
    let number = isLower ? this.#last : this.#nodes.root.ino;
    for (const name of rest === "" ? [] : rest.split("/")) {
      number = this.#nodes.find(number, name);
      if (number === 0) return 0;
    }
    this.#lastPath = directory;
    return this.#last = number;
  }

  /** Returns the number of a directory above the last one. Its path may have thousands of levels. */
  #ascend(directory: string): number {
    for (let at = directory.length; at >= 0; at = this.#lastPath.indexOf("/", at + 1)) {
      this.#last = this.#nodes.at(this.#last).parent;
    }
    this.#lastPath = directory;
    return this.#last;
  }

  #pathOf(number: number): string {
    const names: string[] = [];
    while (number !== this.#nodes.root.ino) {
      names.push(this.#nodes.nameOf(number));
      number = this.#nodes.at(number).parent;
    }
    return names.reverse().join("/");
  }
}

function notFound(path: string): Error {
  return withCode(new Deno.errors.NotFound(`"${path}" does not exist`), "ENOENT");
}
