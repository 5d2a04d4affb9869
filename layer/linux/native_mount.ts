import { decodeName, encodeCString } from "../file_name.ts";
import { nativeError } from "./native_error.ts";
import { type NativeLibc, openLibc } from "./native_libc.ts";

/** Numbers of system calls, which are the same on all architectures. */
const SYS_MOVE_MOUNT = 429n;
const SYS_FSOPEN = 430n;
const SYS_FSCONFIG = 431n;
const SYS_FSMOUNT = 432n;

const AT_FDCWD = -100;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const EMPTY = new Uint8Array(1);
const LOG_BYTES = 4096;
const LINK_BYTES = 256;

/** A mount parameter: a name, or a name and a value. */
export type MountParameter = readonly [key: string, value?: string];

/** System calls for mounts. All are synchronous, and none leaves a descriptor open. */
export class NativeMount implements Disposable {
  readonly #libc: NativeLibc;
  readonly #calls: NativeLibc["symbols"];

  private constructor(libc: NativeLibc) {
    this.#libc = libc;
    this.#calls = libc.symbols;
  }

  /**
   * Opens the C library.
   *
   * @throws {Deno.errors.NotSupported} If it is not available. The message begins with `doing`.
   */
  static open(doing: string): NativeMount {
    const libc = openLibc();
    if (typeof libc === "string") throw new Deno.errors.NotSupported(`${doing}: ${libc}`);
    return new NativeMount(libc);
  }

  /** Opens the C library; returns `undefined` if it is not available. */
  static tryOpen(): NativeMount | undefined {
    const libc = openLibc();
    return typeof libc === "string" ? undefined : new NativeMount(libc);
  }

  /**
   * Mounts a file system with the calls of Linux 5.2. The mount appears once it is complete, and
   * the error contains the kernel's explanation.
   */
  mount(type: string, parameters: Iterable<MountParameter>, target: string): void {
    using context = this.#own(
      this.#calls.fsopen(SYS_FSOPEN, encodeCString(type), FSOPEN_CLOEXEC),
      "fsopen",
      type,
    );
    for (const [key, value] of parameters) this.#configure(context.fd, key, value);
    const created = this.#calls.fsconfig(
      SYS_FSCONFIG,
      context.fd,
      FSCONFIG_CMD_CREATE,
      null,
      null,
      0,
    );
    this.#checkContext(created, context.fd, `create ${type}`, target);
    using mount = this.#own(
      this.#calls.fsmount(SYS_FSMOUNT, context.fd, FSMOUNT_CLOEXEC, 0),
      "fsmount",
      target,
    );
    const moved = this.#calls.moveMount(
      SYS_MOVE_MOUNT,
      mount.fd,
      EMPTY,
      AT_FDCWD,
      encodeCString(target),
      MOVE_MOUNT_F_EMPTY_PATH,
    );
    this.#check(moved, "move_mount", target);
  }

  /** Asks the kernel whether this process may mount a type of file system. */
  mayMount(type: string): boolean {
    const context = this.#calls.fsopen(SYS_FSOPEN, encodeCString(type), FSOPEN_CLOEXEC);
    if (context < 0) return false;
    this.#calls.close(context);
    return true;
  }

  /** Mounts a file system with mount(2); `data` must fit into a page. */
  mountByPage(type: string, data: string, target: string, source: string = type): void {
    const [from, at, kind, options] = [
      encodeCString(source),
      encodeCString(target),
      encodeCString(type),
      encodeCString(data),
    ];
    const result = this.#calls.mount(from, at, kind, 0n, options);
    this.#check(result, `mount ${type}`, target);
  }

  /** Unmounts a mount point. Does not follow a symlink at the path. */
  unmount(target: string, lazily: boolean): void {
    const flags = UMOUNT_NOFOLLOW | (lazily ? MNT_DETACH : 0);
    this.#check(this.#calls.umount2(encodeCString(target), flags), "umount2", target);
  }

  /** Runs an action in another working directory. */
  within(directory: string, action: () => void): void {
    using back = this.openPath(".");
    using there = this.openPath(directory);
    this.#check(this.#calls.fchdir(there.fd), "fchdir", directory);
    try {
      action();
    } finally {
      this.#check(this.#calls.fchdir(back.fd), "fchdir", ".");
    }
  }

  /** Opens a directory with `O_PATH`, to name it through `/proc/self/fd`. */
  openPath(path: string): Disposable & { readonly fd: number } {
    const flags = O_PATH | O_CLOEXEC | this.#libc.abi.openDirectory;
    return this.#own(this.#calls.openat(AT_FDCWD, encodeCString(path), flags, 0), "open", path);
  }

  /** Reads a file of unknown size, such as those of `/proc`. */
  readFile(path: string): Uint8Array<ArrayBuffer> {
    using file = this.#own(
      this.#calls.openat(AT_FDCWD, encodeCString(path), O_CLOEXEC, 0),
      "open",
      path,
    );
    let bytes = new Uint8Array(16_384);
    let length = 0;
    for (;;) {
      if (length === bytes.length) {
        const larger = new Uint8Array(bytes.length * 4);
        larger.set(bytes);
        bytes = larger;
      }
      const rest = bytes.subarray(length);
      const count = this.#calls.read(file.fd, rest, BigInt(rest.length));
      if (this.#check(count, "read", path) === 0) return bytes.subarray(0, length);
      length += count;
    }
  }

  /** Reads the target of a short symlink, such as those of `/proc`. */
  readLink(path: string): string {
    const target = new Uint8Array(LINK_BYTES);
    const length = this.#check(
      this.#calls.readlinkat(AT_FDCWD, encodeCString(path), target, BigInt(LINK_BYTES)),
      "readlinkat",
      path,
    );
    return decodeName(target.slice(0, length));
  }

  /** Writes the file system of a directory to the disk, off the main thread. */
  async syncFileSystem(path: string): Promise<void> {
    const flags = O_CLOEXEC | this.#libc.abi.openDirectory;
    const opened = this.#calls.openat(AT_FDCWD, encodeCString(path), flags, 0);
    using directory = this.#own(opened, "open", path);
    // The call runs on another thread, whose errno is not available here.
    const result = await this.#calls.syncfs(directory.fd);
    if (result < 0) throw nativeError(EIO, "syncfs", path);
  }

  [Symbol.dispose](): void {
    this.#libc[Symbol.dispose]();
  }

  #configure(context: number, key: string, value: string | undefined): void {
    const command = value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
    const result = this.#calls.fsconfig(
      SYS_FSCONFIG,
      context,
      command,
      encodeCString(key),
      value === undefined ? null : encodeCString(value),
      0,
    );
    this.#checkContext(result, context, "fsconfig", value === undefined ? key : `${key}=${value}`);
  }

  #own(fd: number, call: string, path: string): Disposable & { readonly fd: number } {
    this.#check(fd, call, path);
    return { fd, [Symbol.dispose]: () => this.#calls.close(fd) };
  }

  #check(result: number, call: string, path: string): number {
    if (result < 0) throw nativeError(this.#libc.errno(), call, path);
    return result;
  }

  /** Like `#check`, with the messages of the context's log. */
  #checkContext(result: number, context: number, call: string, path: string): void {
    if (result >= 0) return;
    const error = nativeError(this.#libc.errno(), call, path);
    const log = this.#readLog(context);
    if (log.length > 0) error.message += ` (${log.join("; ")})`;
    throw error;
  }

  #readLog(context: number): string[] {
    const messages: string[] = [];
    const buffer = new Uint8Array(LOG_BYTES);
    for (;;) {
      const length = this.#calls.read(context, buffer, BigInt(buffer.length));
      if (length <= 0) return messages;
      // Each read returns one message: a letter for its severity, a space, the text.
      messages.push(new TextDecoder().decode(buffer.subarray(2, length)).trim());
    }
  }
}

const EIO = 5;
