import { FileSlot, QUEUE_BYTES, QueueHeader } from "./_file_slots.ts";
import type { NativeLibc } from "../linux/native_libc.ts";

/** Options for {@linkcode FileQueue}. */
export interface FileQueueOptions {
  /** Is called once, when a thread that serves the queue would have had a lot to do. */
  readonly onDemand?: (() => void) | undefined;
}

/** A thread that starts after so many files will be ready for some more of them. */
const DEMAND_FILES = 3000;
/** To wake a thread takes as long as it takes to fill some files. */
const WAKE_FILES = 32;

/** What trees do with a queue. */
export interface WaitingFiles {
  /** A slot for a file that is open and empty, if it can wait for another thread to fill it. */
  reserve(owner: unknown, fd: number, path: string): FileSlot | undefined;
  /** Leaves a file to other threads. */
  commit(slot: FileSlot, mtime: number, mtimeNs: number): void;
  /**
   * Returns when all files of an owner are filled.
   *
   * @throws {Error} If one of them could not be.
   */
  settle(owner: unknown, libc: NativeLibc): void;
}

/** The side of a queue that is for trees. */
export let waitingFiles: (queue: FileQueue) => WaitingFiles;

/**
 * Small files that the native backend makes in one thread and leaves to others to fill: of what a
 * file takes, making its name is one half, content, time and closing are the other. Names come in
 * the order of the archive; for the rest, the order does not matter.
 *
 * Files are filled where they are made as long as no thread serves the queue, by `serveFiles`, and
 * when it is full.
 *
 * @example Have another thread fill files
 * ```ts
 * import { extractLayer, FileQueue } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const files = new FileQueue();
 * // A worker would be sent `files.memory`, to serve it.
 * const root = await Deno.makeTempDir();
 * const report = await extractLayer(new Blob([new Uint8Array(1024)]).stream(), root, { files });
 *
 * assertEquals(report.entries, 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class FileQueue implements Disposable {
  /** What {@linkcode serveFiles} is to be given. */
  readonly memory: SharedArrayBuffer = new SharedArrayBuffer(QUEUE_BYTES);
  readonly #header: QueueHeader = new QueueHeader(this.memory);
  readonly #slots: readonly FileSlot[] = FileSlot.all(this.memory);
  readonly #onDemand: (() => void) | undefined;
  #next = 0;
  /** Files that nobody would have served, and those that nobody was woken for. */
  #unserved = 0;
  #unannounced = 0;

  static {
    waitingFiles = (queue) => ({
      reserve: (owner, fd, path) => queue.#reserve(owner, fd, path),
      commit: (slot, mtime, mtimeNs) => queue.#commit(slot, mtime, mtimeNs),
      settle: (owner, libc) => queue.#settle(owner, libc),
    });
  }

  /** Starts with no files. */
  constructor({ onDemand }: FileQueueOptions = {}) {
    this.#onDemand = onDemand;
  }

  /** Ends the work of those who serve it, when they have none left. */
  [Symbol.dispose](): void {
    this.#header.end();
  }

  #reserve(owner: unknown, fd: number, path: string): FileSlot | undefined {
    if (!this.#header.isServed) {
      if (++this.#unserved === DEMAND_FILES) this.#onDemand?.();
      return undefined;
    }
    const slot = this.#slots[this.#next] as FileSlot;
    this.#next = (this.#next + 1) % this.#slots.length;
    return slot.reserve(owner, fd, path) ? slot : undefined;
  }

  #commit(slot: FileSlot, mtime: number, mtimeNs: number): void {
    slot.commit(mtime, mtimeNs);
    this.#header.countReady();
    if (++this.#unannounced < WAKE_FILES || !this.#header.isAwaited) return;
    this.#unannounced = 0;
    this.#header.wake();
  }

  #settle(owner: unknown, libc: NativeLibc): void {
    const failures: unknown[] = [];
    for (const slot of this.#slots) {
      try {
        slot.settle(owner, libc);
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
