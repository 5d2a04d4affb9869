import type { FileSlot } from "./_file_slots.ts";
import type { TreeFile } from "./file_tree.ts";
import type { WaitingFiles } from "./file_queue.ts";
import type { NativeEntry } from "./_native_entry.ts";

/** What is known of a file that was just made. */
export interface NewFileStatus {
  readonly uid: number;
  readonly gid: number;
  readonly permissions: number;
}

/**
 * A new file. What it is like already is not set again; if it is small and needs nothing but its
 * content and its time, these may be left to another thread.
 */
export class NativeFile implements TreeFile {
  readonly #entry: NativeEntry;
  readonly #files: WaitingFiles | undefined;
  /** What it is like, as long as nothing of it was changed. */
  #status: NewFileStatus | undefined;
  #slot: FileSlot | undefined;
  #time: { readonly mtime: number; readonly mtimeNs: number } | undefined;

  constructor(
    entry: NativeEntry,
    status: NewFileStatus,
    files?: WaitingFiles,
    slot?: FileSlot,
  ) {
    this.#entry = entry;
    this.#status = status;
    this.#files = files;
    this.#slot = slot;
  }

  write(bytes: Uint8Array, position: number): void {
    if (this.#slot?.keep(bytes, position)) return;
    this.#here().write(bytes, position);
  }

  truncate(size: number): void {
    this.#here().truncate(size);
  }

  setOwner(uid: number, gid: number): void {
    if (this.#status?.uid === uid && this.#status.gid === gid) return;
    this.#status = undefined;
    this.#here().setOwner(uid, gid);
  }

  setMode(mode: number): void {
    if (this.#status?.permissions === mode) return;
    this.#here().setMode(mode);
  }

  setTimes(mtime: number, mtimeNs: number): void {
    if (this.#slot === undefined) this.#entry.setTimes(mtime, mtimeNs);
    else this.#time = { mtime, mtimeNs };
  }

  setXattr(name: string, value: Uint8Array): void {
    // It may be an ACL, which changes the permissions.
    this.#status = undefined;
    this.#here().setXattr(name, value);
  }

  getXattr(name: string): Uint8Array | undefined {
    return this.#here().getXattr(name);
  }

  listXattrs(): readonly string[] {
    return this.#here().listXattrs();
  }

  removeXattr(name: string): void {
    this.#here().removeXattr(name);
  }

  [Symbol.dispose](): void {
    if (this.#slot === undefined || this.#time === undefined) {
      return this.#here()[Symbol.dispose]();
    }
    const { mtime, mtimeNs } = this.#time;
    this.#files?.commit(this.#slot, mtime, mtimeNs);
  }

  /** The entry, with the content that it has been given: writing that later would undo what comes. */
  #here(): NativeEntry {
    const slot = this.#slot;
    if (slot === undefined) return this.#entry;
    this.#slot = undefined;
    const { content } = slot;
    if (content.length > 0) this.#entry.write(content, 0);
    slot.free();
    if (this.#time !== undefined) this.#entry.setTimes(this.#time.mtime, this.#time.mtimeNs);
    return this.#entry;
  }
}
