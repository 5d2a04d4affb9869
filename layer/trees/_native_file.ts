import { NativeEntry } from "./_native_entry.ts";
import type { NativeLibc } from "../linux/native_libc.ts";

/** Metadata of a newly created file. */
export interface NewFileStatus {
  readonly uid: number;
  readonly gid: number;
  readonly permissions: number;
}

/** A newly created file. Skips the system calls that would not change its owner or mode. */
export class NativeFile extends NativeEntry {
  /** Its metadata, until a change makes it uncertain. */
  #status: NewFileStatus | undefined;

  constructor(libc: NativeLibc, fd: number, path: string, status: NewFileStatus) {
    super(libc, fd, path, false);
    this.#status = status;
  }

  override setOwner(uid: number, gid: number): void {
    if (this.#status?.uid === uid && this.#status.gid === gid) return;
    this.#status = undefined;
    super.setOwner(uid, gid);
  }

  override setMode(mode: number): void {
    if (this.#status?.permissions === mode) return;
    this.#status = undefined;
    super.setMode(mode);
  }

  override setXattr(name: string, value: Uint8Array): void {
    // An access control list changes the permissions.
    this.#status = undefined;
    super.setXattr(name, value);
  }
}
