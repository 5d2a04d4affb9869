import type { NativeLibc } from "../linux/native_libc.ts";
import { NativeEntry } from "./_native_entry.ts";

/** Number of slots. A file in a slot has an open descriptor. */
const SLOTS = 64;
/** Maximum size of a file in a slot. Copying more takes as long as writing it. */
const CONTENT_BYTES = 16_384;
/** Number of ready files that justify waking the other thread. */
const WAKE_FILES = 32;
/** Time after which the other thread looks for fewer files than that. */
const PAUSE_MS = 10;
/** Number of pauses without a new file after which that thread ends: this one may be gone. */
const MAX_PAUSES = 1000;

// A slot consists of 32-bit words, two numbers for the time, and the content.
const STATE = 0;
const FD = 1;
const LENGTH = 2;
const WORDS = 4;
const TIME_AT = 16;
const CONTENT_AT = 32;
const SLOT_BYTES = CONTENT_AT + CONTENT_BYTES;

// The words before the slots.
const IS_SERVED = 0;
const IS_IDLE = 1;
const READY_COUNT = 2;
const IS_ENDED = 3;
const HEAD_BYTES = 16;

/** States of a slot. The thread that changes `READY` to `TAKEN` fills the file. */
const FREE = 0;
const RESERVED = 1;
const READY = 2;
const TAKEN = 3;
const FAILED = 4;

/** Memory that two threads share: one creates small files, the other one fills them. */
export class FileSlots {
  /** The shared memory. */
  readonly memory: SharedArrayBuffer;
  /** The slots. */
  readonly slots: readonly FileSlot[];
  readonly #head: Int32Array<SharedArrayBuffer>;
  #next = 0;
  #unannounced = 0;

  /** Uses memory from another thread, or allocates it. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(HEAD_BYTES + SLOTS * SLOT_BYTES)) {
    this.memory = memory;
    this.#head = new Int32Array(memory, 0, HEAD_BYTES / 4);
    this.slots = Array.from(
      { length: SLOTS },
      (_, index) => new FileSlot(memory, HEAD_BYTES + index * SLOT_BYTES),
    );
  }

  /**
   * Reserves a slot for a new file.
   *
   * @returns The slot; `undefined` if no thread is ready to fill the file.
   */
  reserve(fd: number, path: string, libc: NativeLibc): FileSlot | undefined {
    if (Atomics.load(this.#head, IS_SERVED) === 0) return undefined;
    const slot = this.slots[this.#next] as FileSlot;
    this.#next = (this.#next + 1) % SLOTS;
    return slot.reserve(fd, path, libc) ? slot : undefined;
  }

  /** Hands the file in a slot over to the other thread. */
  commit(slot: FileSlot): void {
    slot.commit();
    Atomics.add(this.#head, READY_COUNT, 1);
    if (++this.#unannounced < WAKE_FILES || Atomics.load(this.#head, IS_IDLE) === 0) return;
    this.#unannounced = 0;
    Atomics.notify(this.#head, READY_COUNT);
  }

  /**
   * Fills files until the other thread calls {@linkcode end}, or has created none for ten seconds.
   * Blocks this thread.
   */
  serve(libc: NativeLibc): void {
    Atomics.store(this.#head, IS_SERVED, 1);
    let pauses = 0;
    while (Atomics.load(this.#head, IS_ENDED) === 0 && pauses < MAX_PAUSES) {
      const count = Atomics.load(this.#head, READY_COUNT);
      for (const slot of this.slots) slot.serve(libc);
      Atomics.store(this.#head, IS_IDLE, 1);
      Atomics.wait(this.#head, READY_COUNT, count, PAUSE_MS);
      Atomics.store(this.#head, IS_IDLE, 0);
      pauses = Atomics.load(this.#head, READY_COUNT) === count ? pauses + 1 : 0;
    }
    Atomics.store(this.#head, IS_SERVED, 0);
  }

  /** Ends the other thread. */
  end(): void {
    Atomics.store(this.#head, IS_ENDED, 1);
    Atomics.notify(this.#head, READY_COUNT);
  }
}

/** A small file: its descriptor, content and time. */
export class FileSlot {
  /** Its path, which only the thread that creates files knows. */
  path = "";
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #time: Float64Array<SharedArrayBuffer>;
  readonly #content: Uint8Array<SharedArrayBuffer>;

  constructor(memory: SharedArrayBuffer, offset: number) {
    this.#words = new Int32Array(memory, offset, WORDS);
    this.#time = new Float64Array(memory, offset + TIME_AT, 2);
    this.#content = new Uint8Array(memory, offset + CONTENT_AT, CONTENT_BYTES);
  }

  /**
   * Reserves the slot for a new file, unless it is in use.
   *
   * @throws {Error} If the previous file could not be filled.
   */
  reserve(fd: number, path: string, libc: NativeLibc): boolean {
    if (this.#state === FAILED) this.settle(libc);
    if (this.#state !== FREE) return false;
    this.path = path;
    this.#words[FD] = fd;
    this.#words[LENGTH] = 0;
    this.#setState(RESERVED);
    return true;
  }

  /** Stores the content of the file if it fits, and returns whether it does. */
  setContent(bytes: Uint8Array): boolean {
    if (bytes.length > CONTENT_BYTES) return false;
    this.#content.set(bytes);
    this.#words[LENGTH] = bytes.length;
    return true;
  }

  /** The content, as long as this thread has reserved the slot. */
  get content(): Uint8Array {
    return this.#content.subarray(0, this.#words[LENGTH]);
  }

  /** Stores the modification time. */
  setTimes(mtime: number, mtimeNs: number): void {
    this.#time[0] = mtime;
    this.#time[1] = mtimeNs;
  }

  /** Lets either thread fill the file. */
  commit(): void {
    this.#setState(READY);
  }

  /** Gives up the slot. The file remains open. */
  release(): void {
    this.#setState(FREE);
  }

  /**
   * Fills the file if it is ready. If that fails, the other thread tries again and throws the
   * error.
   */
  serve(libc: NativeLibc): void {
    if (!this.#take()) return;
    try {
      this.#fill(libc);
    } catch {
      return this.#setState(FAILED);
    }
    this.#close(libc);
  }

  /**
   * Returns when the file is complete; either thread may fill it.
   *
   * @throws {Error} If it cannot be filled.
   */
  settle(libc: NativeLibc): void {
    while (this.#state >= READY) {
      if (this.#state !== FAILED && !this.#take()) {
        Atomics.wait(this.#words, STATE, TAKEN);
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
    const [mtime = 0, mtimeNs = 0] = this.#time;
    const file = this.#open(libc);
    file.write(this.content, 0);
    file.setTimes(mtime, mtimeNs);
  }

  #close(libc: NativeLibc): void {
    this.#open(libc)[Symbol.dispose]();
    this.#setState(FREE);
  }

  #open(libc: NativeLibc): NativeEntry {
    return new NativeEntry(libc, this.#words[FD] ?? -1, this.path, false);
  }

  get #state(): number {
    return Atomics.load(this.#words, STATE);
  }

  #take(): boolean {
    return Atomics.compareExchange(this.#words, STATE, READY, TAKEN) === READY;
  }

  #setState(state: number): void {
    Atomics.store(this.#words, STATE, state);
    if (state === FREE || state === FAILED) Atomics.notify(this.#words, STATE);
  }
}
