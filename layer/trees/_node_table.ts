import type { FileType } from "./file_tree.ts";
import { NameTable } from "./name_table.ts";
import { Node, NODE_BYTES, type NodeAttributes } from "./_node.ts";
import { XattrTable } from "./_xattr_table.ts";

/** Records whose memory is had at once. */
const CHUNK = 1024;

/**
 * What is known of the files of a tree, by number. There are hundreds of thousands of them in an
 * image: as objects they would be most of what the process needs. So they are records in blocks of
 * memory, and objects only while somebody looks at one.
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

  /** How many numbers there are, whether they are in use or not. */
  get size(): number {
    return this.#names.size;
  }

  /** The node of a number. */
  at(number: number): Node {
    const view = this.#chunks[Math.floor(number / CHUNK)] as DataView;
    return new Node(view, number % CHUNK * NODE_BYTES, number, this.#attributes);
  }

  /** The number of what has a name in a directory; 0 if nothing has. */
  find(parent: number, name: string): number {
    return this.#names.find(parent, name);
  }

  /** The name of a node in its directory. */
  nameOf(number: number): string {
    return this.#names.nameOf(number);
  }

  /** What is in a directory, or what of a type is, in the order of the names. */
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
   * @throws {LimitError} If there are too many.
   */
  add(parent: Node, name: string, type: FileType, mode: number): Node {
    const node = this.#make(this.#names.add(parent.ino, name), type, mode);
    node.parent = parent.ino;
    node.next = parent.first;
    if (parent.first !== 0) this.at(parent.first).previous = node.ino;
    parent.first = node.ino;
    return node;
  }

  /** Takes a node out of its directory. */
  detach(node: Node): void {
    this.#names.delete(node.ino);
    const { previous, next } = node;
    if (previous !== 0) this.at(previous).next = next;
    else this.at(node.parent).first = next;
    if (next !== 0) this.at(next).previous = previous;
    node.parent = 0;
  }

  /** Forgets a node that is in no directory. */
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
