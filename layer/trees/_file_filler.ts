import type { NativeLibc } from "../linux/native_libc.ts";
import { spareFiles } from "../linux/spare_files.ts";
import { startWorker } from "../start_worker.ts";
import { type FileSlot, FileSlots } from "./_file_slots.ts";
import type { NativeFile } from "./_native_entry.ts";
import type { TreeFile } from "./file_tree.ts";

/** Number of files after which a thread is started, which is ready some thousands later. */
const FILES_BEFORE_THREAD = 3000;
/** Number of files that the process must be able to open: those in slots, and as many others. */
const MIN_SPARE_FILES = 256;

/**
 * Fills small files in a second thread if a tree of the main thread gets thousands of them. To create the name is half
 * of the work, and must be done in order; to write, to set the time and to close is the other half.
 */
export class FileFiller implements Disposable {
  readonly #libc: NativeLibc;
  #files = 0;
  #shared: FileSlots | undefined;
  #worker: Worker | undefined;

  constructor(libc: NativeLibc) {
    this.#libc = libc;
  }

  /** Returns a new file, which the other thread may fill after it is disposed of. */
  take(file: NativeFile, fd: number, path: string): TreeFile {
    if (this.#shared === undefined) {
      if (++this.#files === FILES_BEFORE_THREAD) this.#start();
      return file;
    }
    const slot = this.#shared.hold(fd, path, this.#libc);
    return slot === undefined ? file : new WaitingFile(file, slot, this.#shared);
  }

  /**
   * Completes all files, or those with a path.
   *
   * @throws {Error} If one of them cannot be filled; the others are complete.
   */
  settle(path?: string): void {
    if (this.#shared === undefined) return;
    let failure: { readonly error: unknown } | undefined;
    for (const slot of this.#shared.slots) {
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
      this.#shared?.end();
      this.#worker?.terminate();
    }
  }

  #start(): void {
    // A single processor runs one thread at a time. In a worker, other threads use the others.
    if (navigator.hardwareConcurrency === 1 || "WorkerGlobalScope" in globalThis) return;
    if (spareFiles() < MIN_SPARE_FILES) return;
    this.#worker = startWorker(new URL("./_fill_worker.ts", import.meta.url));
    if (this.#worker === undefined) return;
    // If it fails, it never serves the slots, and this thread fills all files.
    this.#worker.onerror = (event) => event.preventDefault();
    this.#shared = new FileSlots();
    this.#worker.postMessage(this.#shared.memory);
  }
}

/** A new file with a slot, which it gives up if another thread cannot complete it. */
class WaitingFile implements TreeFile {
  readonly #file: NativeFile;
  readonly #shared: FileSlots;
  #slot: FileSlot | undefined;
  #hasContent = false;
  #hasTimes = false;

  constructor(file: NativeFile, slot: FileSlot, shared: FileSlots) {
    this.#file = file;
    this.#slot = slot;
    this.#shared = shared;
  }

  write(bytes: Uint8Array, position: number): void {
    const isFirst = !this.#hasContent && position === 0;
    if (isFirst && this.#slot?.keep(bytes)) {
      this.#hasContent = true;
      return;
    }
    this.#leaveSlot().write(bytes, position);
  }

  truncate(size: number): void {
    this.#leaveSlot().truncate(size);
  }

  setOwner(uid: number, gid: number): void {
    this.#file.setOwner(uid, gid);
  }

  setMode(mode: number): void {
    // Writing clears set-user-ID and set-group-ID.
    const file = (mode & 0o7000) === 0 ? this.#file : this.#leaveSlot();
    file.setMode(mode);
  }

  setTimes(mtime: number, mtimeNs: number): void {
    if (this.#slot === undefined) return this.#file.setTimes(mtime, mtimeNs);
    this.#slot.setTimes(mtime, mtimeNs);
    this.#hasTimes = true;
  }

  setXattr(name: string, value: Uint8Array): void {
    // Writing clears capabilities.
    this.#leaveSlot().setXattr(name, value);
  }

  getXattr(name: string): Uint8Array | undefined {
    return this.#file.getXattr(name);
  }

  listXattrs(): readonly string[] {
    return this.#file.listXattrs();
  }

  removeXattr(name: string): void {
    this.#file.removeXattr(name);
  }

  [Symbol.dispose](): void {
    if (this.#hasTimes && this.#slot !== undefined) return this.#shared.commit(this.#slot);
    try {
      this.#leaveSlot();
    } finally {
      this.#file[Symbol.dispose]();
    }
  }

  /** Completes the file so far, and returns it for more. */
  #leaveSlot(): NativeFile {
    const slot = this.#slot;
    if (slot === undefined) return this.#file;
    this.#slot = undefined;
    try {
      this.#file.write(slot.content, 0);
    } finally {
      slot.release();
    }
    return this.#file;
  }
}
