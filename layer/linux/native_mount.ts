import { checkIntegers, errorCode } from "../../spec/error_facts.ts";
import { decodeName, encodeCString } from "../file_name.ts";
import { nativeError } from "./native_error.ts";
import { type NativeLibc, openLibc } from "./native_libc.ts";

/** Numbers of system calls, which are the same on all architectures. */
const SYS_OPEN_TREE = 428n;
const SYS_MOVE_MOUNT = 429n;
const SYS_FSOPEN = 430n;
const SYS_FSCONFIG = 431n;
const SYS_FSMOUNT = 432n;
const SYS_MOUNT_SETATTR = 442n;

const EIO = 5;
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const O_WRONLY = 1;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const OPEN_TREE_CLONE = 1;
const MOUNT_ATTR_RDONLY = 1n;
const MOUNT_ATTR_IDMAP = 0x100000n;
const MS_PRIVATE = 0x40000n;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

const EMPTY = new Uint8Array(1);
const LOG_BYTES = 4096;
const LINK_BYTES = 256;

/** A mount parameter: a name, or a name and a value. */
export type MountParameter = readonly [key: string, value?: string];

/**
 * System calls for mounts, and for files in `/proc`, which Deno restricts. Only `openPath()` leaves
 * a descriptor open.
 */
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
   * Mounts a file system with the mount API of Linux 5.2. The mount appears only when it is fully
   * configured, and errors contain the kernel's explanation.
   */
  mount(type: string, parameters: Iterable<MountParameter>, target: string): void {
    const opened = this.#calls.fsopen(SYS_FSOPEN, encodeCString(type), FSOPEN_CLOEXEC);
    using context = this.#own(opened, "fsopen", type);
    for (const [key, value] of parameters) {
      const command = value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING;
      const parameter = value === undefined ? key : `${key}=${value}`;
      this.#configure(context.fd, command, "fsconfig", parameter, key, value);
    }
    this.#configure(context.fd, FSCONFIG_CMD_CREATE, `create ${type}`, target);
    const made = this.#calls.fsmount(SYS_FSMOUNT, context.fd, FSMOUNT_CLOEXEC, 0);
    using mount = this.#own(made, "fsmount", target);
    this.#move(mount.fd, target);
  }

  /** Mounts a directory once more, read-only, with owners mapped as in a user namespace. */
  mountMapped(source: string, target: string, namespace: string): void {
    using user = this.#open(namespace, 0);
    const flags = OPEN_TREE_CLONE | O_CLOEXEC;
    const opened = this.#calls.openTree(SYS_OPEN_TREE, AT_FDCWD, encodeCString(source), flags);
    using tree = this.#own(opened, "open_tree", source);
    // Attributes to set and to clear, propagation, and the user namespace.
    const set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY;
    const attributes = new BigUint64Array([set, 0n, MS_PRIVATE, BigInt(user.fd)]);
    const changed = this.#calls.mountSetattr(
      SYS_MOUNT_SETATTR,
      tree.fd,
      EMPTY,
      AT_EMPTY_PATH,
      new Uint8Array(attributes.buffer),
      BigInt(attributes.byteLength),
    );
    this.#check(changed, "mount_setattr", source);
    this.#move(tree.fd, target);
  }

  /** Whether the kernel lets this process mount a type of file system. */
  mayMount(type: string): boolean {
    const context = this.#calls.fsopen(SYS_FSOPEN, encodeCString(type), FSOPEN_CLOEXEC);
    if (context < 0) return false;
    this.#calls.close(context);
    return true;
  }

  /** Mounts a file system with mount(2); `data` must fit into a page. */
  mountByPage(type: string, data: string, target: string, source: string = type): void {
    const result = this.#calls.mount(
      encodeCString(source),
      encodeCString(target),
      encodeCString(type),
      0n,
      encodeCString(data),
    );
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

  /** Opens a directory with `O_PATH`, so that `/proc/self/fd` names it. */
  openPath(path: string): Disposable & { readonly fd: number } {
    return this.#open(path, O_PATH | this.#libc.abi.openDirectory);
  }

  /** Reads a file of unknown size, such as one in `/proc`. */
  readFile(path: string): Uint8Array<ArrayBuffer> {
    using file = this.#open(path, 0);
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

  /** Writes all of a file at once. */
  writeFile(path: string, text: string): void {
    using file = this.#open(path, O_WRONLY);
    const bytes = new TextEncoder().encode(text);
    this.#check(this.#calls.write(file.fd, bytes, BigInt(bytes.length)), "write", path);
  }

  /** Reads the target of a short symlink, such as one in `/proc`. */
  readLink(path: string): string {
    const target = new Uint8Array(LINK_BYTES);
    const length = this.#check(
      this.#calls.readlinkat(AT_FDCWD, encodeCString(path), target, BigInt(LINK_BYTES)),
      "readlinkat",
      path,
    );
    return decodeName(target.slice(0, length));
  }

  /** Flushes the file system that contains a directory to disk, off the main thread. */
  async syncFileSystem(path: string): Promise<void> {
    using directory = this.#open(path, this.#libc.abi.openDirectory);
    // The call runs on another thread, whose errno is not available here.
    const result = await this.#calls.syncfs(directory.fd);
    if (result < 0) throw nativeError(EIO, "syncfs", path);
  }

  [Symbol.dispose](): void {
    this.#libc[Symbol.dispose]();
  }

  /** Executes a command on a mount context. `call` and `path` describe it in errors. */
  #configure(
    context: number,
    command: number,
    call: string,
    path: string,
    key?: string,
    value?: string,
  ): void {
    const name = key === undefined ? null : encodeCString(key);
    const text = value === undefined ? null : encodeCString(value);
    const result = this.#calls.fsconfig(SYS_FSCONFIG, context, command, name, text, 0);
    if (result >= 0) return;
    const error = nativeError(this.#libc.errno(), call, path);
    const log = this.#readLog(context);
    if (log.length > 0) error.message += ` (${log.join("; ")})`;
    throw error;
  }

  #move(mount: number, target: string): void {
    const path = encodeCString(target);
    const flags = MOVE_MOUNT_F_EMPTY_PATH;
    const moved = this.#calls.moveMount(SYS_MOVE_MOUNT, mount, EMPTY, AT_FDCWD, path, flags);
    this.#check(moved, "move_mount", target);
  }

  #open(path: string, flags: number): Disposable & { readonly fd: number } {
    const fd = this.#calls.openat(AT_FDCWD, encodeCString(path), flags | O_CLOEXEC, 0);
    return this.#own(fd, "open", path);
  }

  #own(fd: number, call: string, path: string): Disposable & { readonly fd: number } {
    this.#check(fd, call, path);
    return { fd, [Symbol.dispose]: () => this.#calls.close(fd) };
  }

  #check(result: number, call: string, path: string): number {
    if (result < 0) throw nativeError(this.#libc.errno(), call, path);
    return result;
  }

  /** Reads the messages in the log of a mount context. */
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

/**
 * Reads a file in `/proc`. Deno requires all permissions for that; the native backend only needs
 * `--allow-ffi`.
 */
export function readProcFile(path: string): Uint8Array<ArrayBuffer> {
  using calls = NativeMount.tryOpen();
  return calls === undefined ? Deno.readFileSync(path) : calls.readFile(path);
}

/**
 * Writes all of a file in `/proc` at once, as the kernel requires for ID mappings. Deno requires all
 * permissions for that; the native backend only needs `--allow-ffi`.
 *
 * @throws {Deno.errors.NotSupported} If the native backend is not available.
 */
export function writeProcFile(path: string, text: string): void {
  using calls = NativeMount.open(`Cannot write "${path}"`);
  calls.writeFile(path, text);
}

/**
 * Flushes the file system that contains a directory to disk: one call for any number of files. Does
 * nothing if the native backend is not available.
 */
export async function syncFileSystem(directory: string): Promise<void> {
  using calls = NativeMount.tryOpen();
  await calls?.syncFileSystem(directory);
}

/** Options for {@linkcode mountTmpfs}. */
export interface TmpfsMountOptions {
  /**
   * Maximum size in bytes.
   *
   * By default, half of the memory, as the kernel decides.
   */
  readonly sizeBytes?: number | undefined;
  /**
   * Source in the mount table, which identifies the mount.
   *
   * @default {"tmpfs"}
   */
  readonly source?: string | undefined;
}

/**
 * Mounts a tmpfs that only the current user can access.
 *
 * @param target The directory to mount it at.
 * @throws {Deno.errors.NotSupported} If the native backend is not available.
 * @throws {Deno.errors.PermissionDenied} If the process may not mount.
 * @throws {RangeError} If the size is not a positive integer.
 */
export function mountTmpfs(target: string, options: TmpfsMountOptions = {}): void {
  const { sizeBytes, source } = options;
  checkIntegers("mount a tmpfs", { sizeBytes }, 1);
  using calls = NativeMount.open(`Cannot mount a tmpfs at "${target}"`);
  const size = sizeBytes === undefined ? "" : `,size=${sizeBytes}`;
  calls.mountByPage("tmpfs", `mode=0700${size}`, target, source);
}

/**
 * Mounts a directory once more, read-only, with the owners of its files mapped by a user namespace.
 * Requires Linux 5.12, a file system that supports it, and root of the user namespace in which that
 * file system was mounted.
 *
 * See {@link https://man7.org/linux/man-pages/man2/mount_setattr.2.html | mount_setattr(2)}.
 *
 * @param source The directory.
 * @param target Mount point.
 * @param namespace Path of the user namespace, such as `/proc/PID/ns/user`.
 * @throws {Deno.errors.NotSupported} If the native backend or the system call is not available.
 */
export function mountIdMapped(source: string, target: string, namespace: string): void {
  using calls = NativeMount.open(`Cannot map the owners in "${source}"`);
  calls.mountMapped(source, target, namespace);
}

/**
 * Unmounts the topmost mount of each target, the last target first. Busy mounts are detached.
 *
 * @param targets Paths of mount points, in the order of mounting.
 * @param doing Start of the error message if the native backend is not available.
 * @param onWarning Called for each mount that is detached.
 */
export function unmountTargets(
  targets: readonly string[],
  doing: string,
  onWarning?: (message: string) => void,
): void {
  if (targets.length === 0) return;
  using calls = NativeMount.open(doing);
  const detached: string[] = [];
  for (const target of targets.toReversed()) {
    try {
      calls.unmount(target, false);
    } catch (error) {
      if (errorCode(error) !== "EBUSY") throw error;
      calls.unmount(target, true);
      detached.push(target);
    }
  }
  // Called after everything is unmounted, because a callback may throw.
  for (const target of detached) {
    onWarning?.(`"${target}" is still in use: it is detached, and unmounted once nothing uses it`);
  }
}
