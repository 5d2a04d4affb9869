import { NativeEntry } from "./_native_entry.ts";
import type { NativeLibc } from "../linux/native_libc.ts";

/** So many files may wait at a time, each with an open descriptor. */
const SLOTS = 64;
/** What is larger would take as long to copy for another thread as it takes to write. */
const CONTENT_BYTES = 16_384;
const HEADER_BYTES = 64;
const SLOT_BYTES = 64 + CONTENT_BYTES;

/** So long a thread waits to be woken before it looks by itself. */
const PAUSE_MS = 10;

/** Size of the memory of a queue. */
export const QUEUE_BYTES: number = HEADER_BYTES + SLOTS * SLOT_BYTES;

/** What a slot is good for. A ready one is worked on by whoever makes it a taken one. */
const FREE = 0;
const RESERVED = 1;
const READY = 2;
const TAKEN = 3;
/** Who took it met an error: whoever put it there tries again, and sees which. */
const REFUSED = 4;

/** What the threads of a queue have in common beside its slots. */
export class QueueHeader {
  /** How many threads serve it, how many of them wait, how many files became ready, its end. */
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory, 0, 4);
  }

  get isServed(): boolean {
    return Atomics.load(this.#words, 0) > 0;
  }

  addServer(): void {
    Atomics.add(this.#words, 0, 1);
  }

  get isAwaited(): boolean {
    return Atomics.load(this.#words, 1) > 0;
  }

  get readyCount(): number {
    return Atomics.load(this.#words, 2);
  }

  /** Notes that a file has become ready. */
  countReady(): void {
    Atomics.add(this.#words, 2, 1);
  }

  get isOver(): boolean {
    return Atomics.load(this.#words, 3) > 0;
  }

  /** Sends all servers home. */
  end(): void {
    Atomics.store(this.#words, 3, 1);
    this.wake();
  }

  /** Wakes all who wait. */
  wake(): void {
    Atomics.notify(this.#words, 2);
  }

  /** Waits to be woken; not at all if more files than `readyCount` have become ready already. */
  wait(readyCount: number): void {
    Atomics.add(this.#words, 1, 1);
    // Files that are too few to be woken for are served now and then.
    Atomics.wait(this.#words, 2, readyCount, PAUSE_MS);
    Atomics.sub(this.#words, 1, 1);
  }
}

/** A place for a small file in the memory of a queue: its descriptor, its content, its time. */
export class FileSlot {
  /** Whose file it is. */
  owner: unknown;
  /** Its path, for errors. */
  path = "";
  /** The state, the descriptor, and how long the content is. */
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #time: Float64Array<SharedArrayBuffer>;
  readonly #content: Uint8Array<SharedArrayBuffer>;

  /** All slots of a queue. */
  static all(memory: SharedArrayBuffer): readonly FileSlot[] {
    return Array.from({ length: SLOTS }, (_, i) => new FileSlot(memory, i));
  }

  private constructor(memory: SharedArrayBuffer, index: number) {
    const at = HEADER_BYTES + index * SLOT_BYTES;
    this.#words = new Int32Array(memory, at, 3);
    this.#time = new Float64Array(memory, at + 16, 2);
    this.#content = new Uint8Array(memory, at + 64, CONTENT_BYTES);
  }

  /** Takes the slot for a file that is open and empty; `false` if it is in use. */
  reserve(owner: unknown, fd: number, path: string): boolean {
    if (this.#state !== FREE) return false;
    this.owner = owner;
    this.path = path;
    this.#words[1] = fd;
    this.#words[2] = 0;
    this.#setState(RESERVED);
    return true;
  }

  /** Keeps the content, if it comes all at once and is small. */
  keep(bytes: Uint8Array, position: number): boolean {
    if (position !== 0 || this.#words[2] !== 0 || bytes.length > CONTENT_BYTES) return false;
    this.#content.set(bytes);
    this.#words[2] = bytes.length;
    return true;
  }

  /** What was kept. */
  get content(): Uint8Array<SharedArrayBuffer> {
    return this.#content.subarray(0, this.#words[2]);
  }

  /** Whoever gets there first may fill the file. */
  commit(mtime: number, mtimeNs: number): void {
    this.#time[0] = mtime;
    this.#time[1] = mtimeNs;
    this.#setState(READY);
  }

  /** Gives the slot back; the file is its maker's again. */
  free(): void {
    this.#setState(FREE);
  }

  /** Fills the file, if it is ready and nobody else has begun to. */
  serve(libc: NativeLibc): void {
    if (this.#state !== READY || !this.#take()) return;
    try {
      this.#fill(libc);
    } catch {
      return this.#setState(REFUSED);
    }
    this.#close(libc);
  }

  /**
   * Returns when the file, if it is `owner`'s, is filled, by whomever.
   *
   * @throws {Error} If it could not be.
   */
  settle(owner: unknown, libc: NativeLibc): void {
    if (this.owner !== owner) return;
    while (this.#state >= READY) {
      if (this.#state !== REFUSED && !this.#take()) {
        Atomics.wait(this.#words, 0, TAKEN);
        continue;
      }
      try {
        this.#fill(libc);
      } finally {
        this.#close(libc);
      }
    }
  }

  #fill(libc: NativeLibc): void {
    const { content } = this;
    const [mtime = 0, mtimeNs = 0] = this.#time;
    const entry = this.#entry(libc);
    if (content.length > 0) entry.write(content, 0);
    entry.setTimes(mtime, mtimeNs);
  }

  #close(libc: NativeLibc): void {
    this.#entry(libc)[Symbol.dispose]();
    this.#setState(FREE);
  }

  #entry(libc: NativeLibc): NativeEntry {
    return new NativeEntry(libc, this.#words[1] ?? -1, this.path, false);
  }

  get #state(): number {
    return Atomics.load(this.#words, 0);
  }

  #take(): boolean {
    return Atomics.compareExchange(this.#words, 0, READY, TAKEN) === READY;
  }

  #setState(state: number): void {
    Atomics.store(this.#words, 0, state);
    if (state === FREE || state === REFUSED) Atomics.notify(this.#words, 0);
  }
}
