import { encodeCString } from "../file_name.ts";
import { nativeError } from "./native_error.ts";
import { type NativeLibc, openLibc } from "./native_libc.ts";

/** Numbers of system calls, which are the same on all architectures. */
const SYS_OPEN_TREE = 428n;
const SYS_MOVE_MOUNT = 429n;
const SYS_MOUNT_SETATTR = 442n;

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const O_WRONLY = 1;
const O_CLOEXEC = 0o2000000;
const OPEN_TREE_CLONE = 1;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_RDONLY = 1n;
const MOUNT_ATTR_IDMAP = 0x100000n;
const MS_PRIVATE = 0x40000n;
/** Size of `struct mount_attr`: attributes to set and to clear, propagation, user namespace. */
const MOUNT_ATTR_SIZE = 32;

const EMPTY = new Uint8Array(1);

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
  using libc = open(`Cannot map the owners in "${source}"`);
  const { openTree, mountSetattr, moveMount } = libc.symbols;
  using user = own(libc, openFile(libc, namespace, 0), "open", namespace);
  const flags = OPEN_TREE_CLONE | O_CLOEXEC;
  const opened = openTree(SYS_OPEN_TREE, AT_FDCWD, encodeCString(source), flags);
  using tree = own(libc, opened, "open_tree", source);
  const attributes = new BigUint64Array([
    MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY,
    0n,
    MS_PRIVATE,
    BigInt(user.fd),
  ]);
  const bytes = new Uint8Array(attributes.buffer);
  const set = mountSetattr(
    SYS_MOUNT_SETATTR,
    tree.fd,
    EMPTY,
    AT_EMPTY_PATH,
    bytes,
    BigInt(MOUNT_ATTR_SIZE),
  );
  check(libc, set, "mount_setattr", source);
  const path = encodeCString(target);
  const moved = moveMount(SYS_MOVE_MOUNT, tree.fd, EMPTY, AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
  check(libc, moved, "move_mount", target);
}

/**
 * Writes all of a file in `/proc` at once, as the kernel requires for ID mappings. Deno requires all
 * permissions for that; the native backend only needs `--allow-ffi`.
 */
export function writeProcFile(path: string, text: string): void {
  using libc = open(`Cannot write "${path}"`);
  using file = own(libc, openFile(libc, path, O_WRONLY), "open", path);
  const bytes = new TextEncoder().encode(text);
  check(libc, libc.symbols.write(file.fd, bytes, BigInt(bytes.length)), "write", path);
}

function open(doing: string): NativeLibc {
  const libc = openLibc();
  if (typeof libc === "string") throw new Deno.errors.NotSupported(`${doing}: ${libc}`);
  return libc;
}

function openFile(libc: NativeLibc, path: string, flags: number): number {
  return libc.symbols.openat(AT_FDCWD, encodeCString(path), flags | O_CLOEXEC, 0);
}

function own(
  libc: NativeLibc,
  fd: number,
  call: string,
  path: string,
): Disposable & { readonly fd: number } {
  check(libc, fd, call, path);
  return { fd, [Symbol.dispose]: () => libc.symbols.close(fd) };
}

function check(libc: NativeLibc, result: number, call: string, path: string): void {
  if (result < 0) throw nativeError(libc.errno(), call, path);
}
