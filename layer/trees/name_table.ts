import { LimitError } from "../../spec/errors.ts";

/** The most names there can be: a `Map` by their numbers, as there are some, holds no more. */
const MAX_NAMES = 2 ** 24;
/** Code units of names whose memory is had at once; no name is longer. */
const BLOCK = 65_536;
/** Where a text is has to be a number of 32 bits. */
const MAX_BLOCKS = 65_536;
/** Of a name that is empty, before there are others. */
const NO_TEXT = new Uint16Array(0);
/** Numbers that stand beside each name: what it is in, where its text is, what it may be taken for. */
const FIELDS = 4;
const PARENT = 0;
const TEXT = 1;
const LENGTH = 2;
const CHAIN = 3;

/**
 * Finds numbers by a parent and a name, as a `Map` for each parent would: but in a few blocks of
 * memory, without an object for each of the names, of which there can be millions.
 */
export class NameTable {
  /** For each hash the first number that has it; the others follow by `CHAIN`. */
  #buckets = new Uint32Array(64);
  #fields = new Uint32Array(64 * FIELDS);
  /** None at first: each layer has a table, and few of them many names. */
  readonly #blocks: Uint16Array[] = [];
  /** Up to where the last block is full. */
  #end = BLOCK;
  readonly #free: number[] = [];
  /** The next number that was never given. 0 stands for none. */
  #next = 1;
  /** Odd, and unknown to whoever would make names that have one hash. */
  readonly #factor = (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) | 1;

  /** How many numbers there are with 0, whether they are in use or not. */
  get size(): number {
    return this.#next;
  }

  /** The number of a name; 0 if there is none. */
  find(parent: number, name: string): number {
    let number = this.#buckets[this.#hash(parent, name)] ?? 0;
    while (number !== 0 && !this.#is(number, parent, name)) number = this.#get(number, CHAIN);
    return number;
  }

  /** The name that has a number. */
  nameOf(number: number): string {
    const from = this.#start(number);
    const text = this.#block(number).subarray(from, from + this.#get(number, LENGTH));
    // To spread it takes five times as long.
    return String.fromCharCode.apply(undefined, text as unknown as number[]);
  }

  /** Tells which of two names comes first, in the order of their code units. */
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
   * Gives a name, which must be new, a number: a new one, or one that was freed.
   *
   * @throws {LimitError} If there are too many names, or this one is too long.
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
    // What stood there is of no use any more, so its room is taken if it will do.
    if (name.length > this.#get(number, LENGTH)) this.#put(number, TEXT, this.#reserve(name));
    const block = this.#block(number);
    const from = this.#start(number);
    for (let i = 0; i < name.length; i++) block[from + i] = name.charCodeAt(i);
    this.#put(number, LENGTH, name.length);
    this.#put(number, PARENT, parent);
    this.#link(number, this.#hash(parent, name));
    return number;
  }

  /** Lets another name have a number whose name was deleted. */
  free(number: number): void {
    this.#free.push(number);
  }

  /** Deletes the name of a number, which stays in use. */
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

  /** What the text of a name is in. */
  #block(number: number): Uint16Array {
    return this.#blocks[Math.floor(this.#get(number, TEXT) / BLOCK)] ?? NO_TEXT;
  }

  /** Where in that it begins. */
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
