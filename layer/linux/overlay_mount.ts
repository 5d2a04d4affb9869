import { LimitError } from "../../spec/errors.ts";
import { errorCode } from "./native_error.ts";
import { type MountParameter, NativeMount } from "./native_mount.ts";

/** The most lower directories that the kernel takes: its `OVL_MAX_STACK`. */
export const MAX_OVERLAY_LOWERS = 500;

/** The writable part of an overlay. */
export interface OverlayUpper {
  /** Where changes go. */
  readonly upper: string;
  /** An empty directory on the same file system, for the kernel's own use. */
  readonly work: string;
}

/** Options for {@linkcode mountOverlay}. */
export interface OverlayMountOptions {
  /**
   * What can be written to; the overlay is read-only without it, and needs two lower directories.
   */
  readonly writable?: OverlayUpper | undefined;
  /**
   * Whether the marks of whiteouts and opaque directories are attributes of the user rather than
   * `trusted` ones: all that there is in a user namespace.
   *
   * @default {false}
   */
  readonly userXattr?: boolean | undefined;
  /**
   * Whether a directory of a lower layer can be renamed, which leaves a reference to its old name
   * in the upper directory.
   *
   * @default What the kernel is configured for.
   */
  readonly redirectDirectories?: boolean | undefined;
  /**
   * Source of the mount in the mount table, which tells it from other overlays.
   *
   * @default {"overlay"}
   */
  readonly source?: string | undefined;
  /**
   * By which call: that of Linux 6.8, which takes any number of directories at any paths, or the
   * old one, whose options must fit into 4095 bytes.
   *
   * @default The new one, and the old one where the kernel does not have it.
   */
  readonly call?: "fsconfig" | "mount" | undefined;
}

/** What mount(2) takes: a page with the zero at its end. */
const PAGE_BYTES = 4095;
/** What fsconfig(2) takes as a value. */
const STRING_BYTES = 255;

/**
 * Mounts directories over each other with the kernel's overlay file system.
 *
 * No directory may be there twice: the kernel answers `ELOOP`. Paths may have any characters and
 * any length; they are absolute.
 *
 * See {@link https://docs.kernel.org/filesystems/overlayfs.html | overlayfs}.
 *
 * @param lowers The directories that are not written to, **the top one first**, at most
 * {@linkcode MAX_OVERLAY_LOWERS}.
 * @param target Where the merged view appears.
 * @param options What can be written to, and how whiteouts are marked.
 * @throws {LimitError} If there are too many directories.
 * @throws {Deno.errors.NotSupported} If there is no native backend.
 * @throws {Deno.errors.PermissionDenied} If this process may not mount.
 *
 * @example The kernel's limit
 * ```ts
 * import { MAX_OVERLAY_LOWERS, mountOverlay } from "@x/oci/layer";
 * import { LimitError } from "@x/oci/spec";
 * import { assertThrows } from "@std/assert";
 *
 * const lowers = Array.from({ length: MAX_OVERLAY_LOWERS + 1 }, (_, i) => `/layers/${i}`);
 *
 * assertThrows(() => mountOverlay(lowers, "/mnt"), LimitError);
 * ```
 */
export function mountOverlay(
  lowers: readonly string[],
  target: string,
  options: OverlayMountOptions = {},
): void {
  const { call } = options;
  if (lowers.length > MAX_OVERLAY_LOWERS) {
    throw new LimitError(
      "lower directories",
      MAX_OVERLAY_LOWERS,
      lowers.length,
      `the overlay at "${target}", which is the kernel's limit`,
    );
  }
  using calls = NativeMount.open(`Cannot mount an overlay at "${target}"`);
  if (call === "mount") return mountByPage(calls, lowers, target, options);
  try {
    mountByContext(calls, lowers, target, options);
  } catch (error) {
    if (call !== undefined || !isOldKernel(error)) throw error;
    mountByPage(calls, lowers, target, options);
  }
}

/** Whether the kernel, or a filter of system calls, lacks `fsopen` or the parameter `lowerdir+`. */
function isOldKernel(error: unknown): boolean {
  const { message } = error as Error;
  return errorCode(error) === "ENOSYS" || /: fsopen "overlay"$/.test(message) ||
    (errorCode(error) === "EINVAL" && message.includes(': fsconfig "lowerdir+='));
}

function mountByContext(
  calls: NativeMount,
  lowers: readonly string[],
  target: string,
  options: OverlayMountOptions,
): void {
  const { writable, source } = options;
  using names = new ShortNames(calls, (path) => path.length <= STRING_BYTES);
  const parameters: MountParameter[] = commonParameters(options);
  if (source !== undefined) parameters.push(["source", source]);
  for (const lower of lowers) parameters.push(["lowerdir+", names.of(lower)]);
  if (writable !== undefined) {
    parameters.push(["upperdir", names.of(writable.upper)], ["workdir", names.of(writable.work)]);
  }
  calls.mount("overlay", parameters, target);
}

/**
 * By mount(2). A colon separates lower directories and a comma options, and all must fit into a
 * page. So paths that are odd, or too long in sum, are named through descriptors; and if that is
 * too long still, from the directory that they are in, which is the current one meanwhile: no
 * other JavaScript runs before it is left again.
 */
function mountByPage(
  calls: NativeMount,
  lowers: readonly string[],
  target: string,
  options: OverlayMountOptions,
): void {
  const tell = (names: ShortNames) => {
    const { writable } = options;
    const parameters = commonParameters(options);
    parameters.push(["lowerdir", lowers.map((lower) => names.of(lower)).join(":")]);
    if (writable !== undefined) {
      parameters.push(["upperdir", names.of(writable.upper)], ["workdir", names.of(writable.work)]);
    }
    return parameters.map((parameter) => parameter.join("=")).join(",");
  };
  const isTold = (data: string) => new TextEncoder().encode(data).length <= PAGE_BYTES;
  using full = new ShortNames(calls, () => true);
  using short = new ShortNames(calls, () => false);
  for (const names of [full, short]) {
    const data = tell(names);
    if (isTold(data)) return calls.mountByPage("overlay", data, target, options.source);
  }
  const base = parentOf(lowers[0] ?? "/");
  using relative = new ShortNames(calls, () => false, base);
  const data = tell(relative);
  if (isTold(data)) {
    return calls.within(base, () => calls.mountByPage("overlay", data, target, options.source));
  }
  throw new LimitError(
    "bytes of mount options",
    PAGE_BYTES,
    data.length,
    `the overlay of ${lowers.length} directories at "${target}", as this kernel lacks the ` +
      "call of Linux 6.8 that knows no such limit",
  );
}

function commonParameters(options: OverlayMountOptions): MountParameter[] {
  const { userXattr = false, redirectDirectories } = options;
  // Both would leave marks in the upper directory that make it fit for these lower ones alone.
  const parameters: MountParameter[] = [["index", "off"], ["metacopy", "off"]];
  if (userXattr) parameters.push(["userxattr"]);
  // With attributes of the user directories are never redirected, and it is an error to say so.
  else if (redirectDirectories !== undefined) {
    parameters.push(["redirect_dir", redirectDirectories ? "on" : "off"]);
  }
  return parameters;
}

/** Characters that mean something in some option of some kernel. */
const ODD = /[^A-Za-z0-9/._+@=-]/;
/** The longest name of a directory that stays as it is after that of a descriptor. */
const MAX_LEAF = 200;

/**
 * Names of paths without odd characters and, where the path is not short, through descriptors
 * that stay open until this is disposed of: `/proc/self/fd/7/leaf`.
 */
class ShortNames implements Disposable {
  readonly #calls: NativeMount;
  readonly #isShort: (path: string) => boolean;
  readonly #base: string | undefined;
  readonly #open = new Map<string, Disposable & { readonly fd: number }>();

  /** Names in `base` are relative to it. */
  constructor(calls: NativeMount, isShort: (path: string) => boolean, base?: string) {
    this.#calls = calls;
    this.#isShort = isShort;
    this.#base = base;
  }

  of(path: string): string {
    if (!ODD.test(path) && this.#isShort(path)) return path;
    const parent = parentOf(path);
    const leaf = path.slice(path.lastIndexOf("/") + 1);
    const isPlain = !ODD.test(leaf) && leaf.length <= MAX_LEAF && leaf !== "";
    if (isPlain && parent === this.#base) return leaf;
    const directory = isPlain ? parent : path;
    const known = this.#open.get(directory) ?? this.#calls.openPath(directory);
    this.#open.set(directory, known);
    return `/proc/self/fd/${known.fd}${isPlain ? `/${leaf}` : ""}`;
  }

  [Symbol.dispose](): void {
    for (const directory of this.#open.values()) directory[Symbol.dispose]();
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
