import type { FileType } from "../trees/file_tree.ts";
import { NameTable } from "../trees/name_table.ts";
import { Node, NODE_BYTES, type NodeAttributes } from "./_node.ts";
import { XattrTable } from "./_xattr_table.ts";

/** Number of records to allocate at once. */
const CHUNK = 1024;

/**
 * The nodes of a tree, by number. An image may have hundreds of thousands of files, and that many
 * objects would need most of the memory of the process. So nodes are records in large buffers, and
 * objects are only created as views.
 */
export class NodeTable {
  readonly #chunks: DataView[] = [];
  readonly #names = new NameTable();
  readonly #attributes: NodeAttributes = {
    targets: new Map(),
    xattrs: new XattrTable(),
    devices: new Map(),
  };
  /** The root directory. */
  readonly root: Node = this.#make(this.#names.add(0, ""), "directory", 0o755);

  /** Number of allocated nodes, including free ones. */
  get size(): number {
    return this.#names.size;
  }

  /** Returns the node with a number. */
  at(number: number): Node {
    const view = this.#chunks[Math.floor(number / CHUNK)] as DataView;
    return new Node(view, number % CHUNK * NODE_BYTES, number, this.#attributes);
  }

  /** Returns the number of an entry of a directory, or 0. */
  find(parent: number, name: string): number {
    return this.#names.find(parent, name);
  }

  /** Returns the name of a node in its directory. */
  nameOf(number: number): string {
    return this.#names.nameOf(number);
  }

  /** Returns the children of a directory, optionally of one type, sorted by name. */
  sorted(directory: Node, type?: FileType): Uint32Array {
    const numbers: number[] = [];
    for (let number = directory.first; number !== 0;) {
      const node = this.at(number);
      if (type === undefined || node.type === type) numbers.push(number);
      number = node.next;
    }
    return new Uint32Array(numbers).sort((a, b) => this.#names.compare(a, b));
  }

  /**
   * Adds a node to a directory.
   *
   * @throws {LimitError} If there are too many nodes.
   */
  add(parent: Node, name: string, type: FileType, mode: number): Node {
    const node = this.#make(this.#names.add(parent.ino, name), type, mode);
    node.parent = parent.ino;
    node.next = parent.first;
    if (parent.first !== 0) this.at(parent.first).previous = node.ino;
    parent.first = node.ino;
    return node;
  }

  /** Removes a node from its directory. */
  detach(node: Node): void {
    this.#names.delete(node.ino);
    const { previous, next } = node;
    if (previous !== 0) this.at(previous).next = next;
    else this.at(node.parent).first = next;
    if (next !== 0) this.at(next).previous = previous;
    node.parent = 0;
  }

  /** Frees a detached node. */
  free({ ino }: Node): void {
    for (const attribute of Object.values(this.#attributes)) attribute.delete(ino);
    this.#names.free(ino);
  }

  #make(number: number, type: FileType, mode: number): Node {
    const chunk = Math.floor(number / CHUNK);
    this.#chunks[chunk] ??= new DataView(new ArrayBuffer(CHUNK * NODE_BYTES));
    const node = this.at(number);
    node.initialize(type, mode);
    return node;
  }
}
