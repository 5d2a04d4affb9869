import type { NativeLibc } from "../linux/native_libc.ts";
import { spareFiles } from "../linux/spare_files.ts";
import { startWorker } from "../start_worker.ts";
import type { TreeFile } from "../trees/file_tree.ts";
import { type FileSlot, FileSlots } from "./_file_slots.ts";
import { NativeFile, type NewFileStatus } from "./_native_entry.ts";

/** Number of files after which a thread is started. It is ready some thousand files later. */
const FILES_BEFORE_THREAD = 3000;
/** Number of files that the process must still be able to open: those in slots, and others. */
const MIN_SPARE_FILES = 256;

/**
 * Fills small files on a second thread once a tree of the main thread has thousands of them.
 * Creating the name is half of the work and must happen in order. Writing, setting the time and
 * closing is the other half.
 */
export class FileFiller implements Disposable {
  readonly #libc: NativeLibc;
  #files = 0;
  #slots: FileSlots | undefined;
  #worker: Worker | undefined;

  constructor(libc: NativeLibc) {
    this.#libc = libc;
  }

  /** Opens a new file, which the other thread may fill after it has been disposed of. */
  open(fd: number, path: string, status: NewFileStatus): TreeFile {
    if (this.#slots === undefined) {
      if (++this.#files === FILES_BEFORE_THREAD) this.#start();
      return new NativeFile(this.#libc, fd, path, status);
    }
    const slot = this.#slots.reserve(fd, path, this.#libc);
    return slot === undefined
      ? new NativeFile(this.#libc, fd, path, status)
      : new SlotFile(this.#libc, fd, path, status, slot, this.#slots);
  }

  /**
   * Completes all files, or only those with a given path.
   *
   * @throws {Error} If one of them cannot be filled; the others are complete.
   */
  settle(path?: string): void {
    if (this.#slots === undefined) return;
    let failure: { readonly error: unknown } | undefined;
    for (const slot of this.#slots.slots) {
      if (path !== undefined && slot.path !== path) continue;
      try {
        slot.settle(this.#libc);
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }

  /** Completes all files and ends the thread. */
  [Symbol.dispose](): void {
    try {
      this.settle();
    } finally {
      this.#slots?.end();
      this.#worker?.terminate();
    }
  }

  #start(): void {
    // A single CPU runs one thread at a time. If this is a worker, other threads use the other
    // CPUs.
    if (navigator.hardwareConcurrency === 1 || "WorkerGlobalScope" in globalThis) return;
    if (spareFiles() < MIN_SPARE_FILES) return;
    this.#worker = startWorker(new URL("./_fill_worker.ts", import.meta.url));
    if (this.#worker === undefined) return;
    // If the worker fails, it never serves the slots, and this thread fills all files.
    this.#worker.onerror = (event) => event.preventDefault();
    this.#slots = new FileSlots();
    this.#worker.postMessage(this.#slots.memory);
  }
}

/**
 * A new file with a slot. Releases the slot before an operation that the other thread cannot do.
 */
class SlotFile extends NativeFile {
  readonly #slots: FileSlots;
  #slot: FileSlot | undefined;
  #hasContent = false;
  #hasTimes = false;

  constructor(
    libc: NativeLibc,
    fd: number,
    path: string,
    status: NewFileStatus,
    slot: FileSlot,
    slots: FileSlots,
  ) {
    super(libc, fd, path, status);
    this.#slot = slot;
    this.#slots = slots;
  }

  override write(bytes: Uint8Array, position: number): void {
    const isFirst = !this.#hasContent && position === 0;
    if (isFirst && this.#slot?.setContent(bytes)) {
      this.#hasContent = true;
      return;
    }
    this.#leaveSlot();
    super.write(bytes, position);
  }

  override truncate(size: number): void {
    this.#leaveSlot();
    super.truncate(size);
  }

  override setMode(mode: number): void {
    // Writing clears set-user-ID and set-group-ID, so the content must come first.
    if ((mode & 0o7000) !== 0) this.#leaveSlot();
    super.setMode(mode);
  }

  override setTimes(mtime: number, mtimeNs: number): void {
    if (this.#slot === undefined) return super.setTimes(mtime, mtimeNs);
    this.#slot.setTimes(mtime, mtimeNs);
    this.#hasTimes = true;
  }

  override setXattr(name: string, value: Uint8Array): void {
    // Writing clears capabilities, so the content must come first.
    this.#leaveSlot();
    super.setXattr(name, value);
  }

  override [Symbol.dispose](): void {
    if (this.#hasTimes && this.#slot !== undefined) return this.#slots.commit(this.#slot);
    try {
      this.#leaveSlot();
    } finally {
      super[Symbol.dispose]();
    }
  }

  /** Writes the content so far, and releases the slot. */
  #leaveSlot(): void {
    const slot = this.#slot;
    if (slot === undefined) return;
    this.#slot = undefined;
    try {
      super.write(slot.content, 0);
    } finally {
      slot.release();
    }
  }
}
