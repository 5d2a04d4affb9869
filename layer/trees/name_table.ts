import { LimitError } from "../../spec/errors.ts";

/** Maximum number of names: the maximum size of a `Map` with their numbers as keys. */
const MAX_NAMES = 2 ** 24;
/** Number of code units to allocate at once, and the maximum length of a name. */
const BLOCK = 65_536;
/** Maximum number of blocks: positions of texts have 32 bits. */
const MAX_BLOCKS = 65_536;
/** Text of an empty name. */
const NO_TEXT = new Uint16Array(0);
/** Fields of a name: its parent, the position and length of its text, the next one in its bucket. */
const FIELDS = 4;
const PARENT = 0;
const TEXT = 1;
const LENGTH = 2;
const CHAIN = 3;

/**
 * Maps a parent and a name to a number, like a `Map` for each parent, but in a few blocks of
 * memory: there can be millions of names.
 */
export class NameTable {
  /** First number of each hash; the others follow by `CHAIN`. */
  #buckets = new Uint32Array(64);
  #fields = new Uint32Array(64 * FIELDS);
  /** Initially empty: each layer has a table, and few layers have many names. */
  readonly #blocks: Uint16Array[] = [];
  /** Number of used code units of the last block. */
  #end = BLOCK;
  readonly #free: number[] = [];
  /** The next unused number. 0 means none. */
  #next = 1;
  /** Odd random number, so that nobody can craft names with the same hash. */
  readonly #factor = (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) | 1;

  /** Number of allocated numbers, including 0 and free ones. */
  get size(): number {
    return this.#next;
  }

  /** Returns the number of a name, or 0. */
  find(parent: number, name: string): number {
    let number = this.#buckets[this.#hash(parent, name)] ?? 0;
    while (number !== 0 && !this.#is(number, parent, name)) number = this.#get(number, CHAIN);
    return number;
  }

  /** Returns the name with a number. */
  nameOf(number: number): string {
    const from = this.#start(number);
    const text = this.#block(number).subarray(from, from + this.#get(number, LENGTH));
    // Spread syntax takes five times as long.
    return String.fromCharCode.apply(undefined, text as unknown as number[]);
  }

  /** Compares two names by their code units. */
  compare(one: number, other: number): number {
    const a = this.#block(one);
    const b = this.#block(other);
    const from = this.#start(one);
    const at = this.#start(other);
    const length = this.#get(one, LENGTH);
    const otherLength = this.#get(other, LENGTH);
    for (let i = 0; i < length && i < otherLength; i++) {
      const difference = (a[from + i] ?? 0) - (b[at + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return length - otherLength;
  }

  /**
   * Adds a new name, with a new number or a freed one.
   *
   * @throws {LimitError} If there are too many names, or the name is too long.
   */
  add(parent: number, name: string): number {
    if (this.#free.length === 0 && this.#next > MAX_NAMES) {
      throw new LimitError("names", MAX_NAMES, this.#next, "a tree");
    }
    const number = this.#free.pop() ?? this.#next++;
    if (number > this.#buckets.length) this.#grow();
    if ((number + 1) * FIELDS > this.#fields.length) {
      const fields = new Uint32Array(this.#fields.length * 2);
      fields.set(this.#fields);
      this.#fields = fields;
    }
    // Reuses the text of the freed name if it is long enough.
    if (name.length > this.#get(number, LENGTH)) this.#put(number, TEXT, this.#reserve(name));
    const block = this.#block(number);
    const from = this.#start(number);
    for (let i = 0; i < name.length; i++) block[from + i] = name.charCodeAt(i);
    this.#put(number, LENGTH, name.length);
    this.#put(number, PARENT, parent);
    this.#link(number, this.#hash(parent, name));
    return number;
  }

  /** Makes the number of a deleted name available. */
  free(number: number): void {
    this.#free.push(number);
  }

  /** Deletes a name. Its number stays in use. */
  delete(number: number): void {
    const bucket = this.#hash(this.#get(number, PARENT), this.nameOf(number));
    const next = this.#get(number, CHAIN);
    let at = this.#buckets[bucket] ?? 0;
    if (at === number) {
      this.#buckets[bucket] = next;
      return;
    }
    while (this.#get(at, CHAIN) !== number) at = this.#get(at, CHAIN);
    this.#put(at, CHAIN, next);
  }

  #get(number: number, field: number): number {
    return this.#fields[number * FIELDS + field] ?? 0;
  }

  #put(number: number, field: number, value: number): void {
    this.#fields[number * FIELDS + field] = value;
  }

  #is(number: number, parent: number, name: string): boolean {
    if (this.#get(number, PARENT) !== parent) return false;
    if (this.#get(number, LENGTH) !== name.length) return false;
    const block = this.#block(number);
    const from = this.#start(number);
    for (let i = 0; i < name.length; i++) {
      if (block[from + i] !== name.charCodeAt(i)) return false;
    }
    return true;
  }

  /** Returns the block with the text of a name. */
  #block(number: number): Uint16Array {
    return this.#blocks[Math.floor(this.#get(number, TEXT) / BLOCK)] ?? NO_TEXT;
  }

  /** Returns the offset of the text in its block. */
  #start(number: number): number {
    return this.#get(number, TEXT) % BLOCK;
  }

  #reserve({ length }: string): number {
    if (length > BLOCK) throw new LimitError("code units", BLOCK, length, "a name");
    if (this.#end + length > BLOCK) {
      if (this.#blocks.length === MAX_BLOCKS) {
        throw new LimitError("code units of names", MAX_BLOCKS * BLOCK, MAX_BLOCKS * BLOCK + 1);
      }
      this.#blocks.push(new Uint16Array(BLOCK));
      this.#end = 0;
    }
    const at = (this.#blocks.length - 1) * BLOCK + this.#end;
    this.#end += length;
    return at;
  }

  #link(number: number, bucket: number): void {
    this.#put(number, CHAIN, this.#buckets[bucket] ?? 0);
    this.#buckets[bucket] = number;
  }

  #grow(): void {
    const old = this.#buckets;
    this.#buckets = new Uint32Array(old.length * 2);
    for (let number of old) {
      while (number !== 0) {
        const next = this.#get(number, CHAIN);
        this.#link(number, this.#hash(this.#get(number, PARENT), this.nameOf(number)));
        number = next;
      }
    }
  }

  #hash(parent: number, name: string): number {
    let hash = parent;
    for (let i = 0; i < name.length; i++) {
      hash = Math.imul(hash ^ name.charCodeAt(i), this.#factor);
      hash ^= hash >>> 15;
    }
    return (hash >>> 0) % this.#buckets.length;
  }
}
