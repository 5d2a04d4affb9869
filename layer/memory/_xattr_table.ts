import { LimitError } from "../../spec/errors.ts";

/** Maximum size of all attributes of a tree: a small archive can contain very many. */
const MAX_BYTES = 134_217_728;
/** Approximate memory of an attribute in addition to its name and value. */
const OVERHEAD_BYTES = 64;

const NO_XATTRS: ReadonlyMap<string, Uint8Array> = new Map();

/** Extended attributes of the nodes of a tree, by node number. */
export class XattrTable {
  readonly #nodes = new Map<number, Map<string, Uint8Array>>();
  #bytes = 0;

  /** Returns the attributes of a node. */
  of(number: number): ReadonlyMap<string, Uint8Array> {
    return this.#nodes.get(number) ?? NO_XATTRS;
  }

  /**
   * Sets an attribute.
   *
   * @throws {LimitError} If the attributes of the tree take too much memory.
   */
  set(number: number, name: string, value: Uint8Array): void {
    this.remove(number, name);
    const bytes = this.#bytes + sizeOf(name, value);
    if (bytes > MAX_BYTES) {
      throw new LimitError("bytes of extended attributes", MAX_BYTES, bytes, "the image");
    }
    this.#bytes = bytes;
    let xattrs = this.#nodes.get(number);
    if (xattrs === undefined) this.#nodes.set(number, xattrs = new Map());
    xattrs.set(name, value.slice());
  }

  /** Removes an attribute. */
  remove(number: number, name: string): void {
    const value = this.of(number).get(name);
    if (value === undefined) return;
    this.#bytes -= sizeOf(name, value);
    this.#nodes.get(number)?.delete(name);
  }

  /** Removes all attributes of a node. */
  delete(number: number): void {
    for (const [name, value] of this.of(number)) this.#bytes -= sizeOf(name, value);
    this.#nodes.delete(number);
  }
}

function sizeOf(name: string, value: Uint8Array): number {
  return name.length + value.length + OVERHEAD_BYTES;
}
