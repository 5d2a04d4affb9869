import { errorCode } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { dirname } from "../../spec/paths.ts";
import type { FailedCall } from "./native_error.ts";
import { type MountParameter, NativeMount } from "./native_mount.ts";

/** Maximum number of lower directories: the kernel's `OVL_MAX_STACK`. */
export const MAX_OVERLAY_LOWERS = 500;

/** The writable part of an overlay. */
export interface OverlayUpper {
  /** Upper directory, which receives the changes. */
  readonly upper: string;
  /** Empty directory on the same file system, for use by the kernel. */
  readonly work: string;
}

/** Options for {@linkcode mountOverlay}. */
export interface OverlayMountOptions {
  /** Upper directory. Without it, the overlay is read-only and needs two lower directories. */
  readonly writable?: OverlayUpper | undefined;
  /**
   * Whether whiteouts and opaque directories are marked with `user` rather than `trusted`
   * attributes. A user namespace only allows the former.
   *
   * @default {false}
   */
  readonly userXattr?: boolean | undefined;
  /**
   * Source of the mount in the mount table, which distinguishes it from other overlays.
   *
   * @default {"overlay"}
   */
  readonly source?: string | undefined;
  /**
   * System call to use: `"fsconfig"` accepts any paths but requires Linux 6.8; the options of
   * `"mount"` must fit into 4095 bytes.
   *
   * By default, `"fsconfig"` if the kernel supports it.
   */
  readonly call?: "fsconfig" | "mount" | undefined;
}

/** Maximum size of the options of mount(2): a page, without the terminating zero. */
const PAGE_BYTES = 4095;
/** Maximum size of a value for fsconfig(2). */
const STRING_BYTES = 255;

/**
 * Mounts an overlay of directories.
 *
 * A directory must not occur twice: the kernel would fail with `ELOOP`. Paths must be absolute; any
 * characters and any length are supported.
 *
 * See {@link https://docs.kernel.org/filesystems/overlayfs.html | overlayfs}.
 *
 * @param lowers Lower directories, **the top one first**, at most {@linkcode MAX_OVERLAY_LOWERS}.
 * @param target Mount point.
 * @throws {LimitError} If there are too many directories.
 * @throws {Deno.errors.NotSupported} If the native backend is not available.
 * @throws {Deno.errors.PermissionDenied} If the process may not mount.
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

/**
 * Whether the kernel lacks `fsopen` or the parameter `lowerdir+`, or a seccomp filter blocks it.
 */
function isOldKernel(error: unknown): boolean {
  const { call, target } = error as Partial<FailedCall>;
  const code = errorCode(error);
  return code === "ENOSYS" || (call === "fsopen" && target === "overlay") ||
    (code === "EINVAL" && call === "fsconfig" && target?.startsWith("lowerdir+=") === true);
}

function mountByContext(
  calls: NativeMount,
  lowers: readonly string[],
  target: string,
  options: OverlayMountOptions,
): void {
  using names = new ShortNames(calls, (path) => path.length <= STRING_BYTES);
  const parameters = parametersOf(options, names);
  if (options.source !== undefined) parameters.push(["source", options.source]);
  for (const lower of lowers) parameters.push(["lowerdir+", names.of(lower)]);
  calls.mount("overlay", parameters, target);
}

/**
 * Mounts with mount(2). Colons separate lower directories, commas separate options, and everything
 * must fit into a page. Paths that contain such characters or are too long are named through
 * descriptors. If that is still too long, they are named relative to their directory, which becomes
 * the working directory for the call; no other JavaScript runs meanwhile.
 */
function mountByPage(
  calls: NativeMount,
  lowers: readonly string[],
  target: string,
  options: OverlayMountOptions,
): void {
  const format = (names: ShortNames) => {
    const parameters = parametersOf(options, names);
    parameters.push(["lowerdir", lowers.map((lower) => names.of(lower)).join(":")]);
    return parameters.map((parameter) => parameter.join("=")).join(",");
  };
  const fits = (data: string) => new TextEncoder().encode(data).length <= PAGE_BYTES;
  using full = new ShortNames(calls, () => true);
  using short = new ShortNames(calls, () => false);
  for (const names of [full, short]) {
    const data = format(names);
    if (fits(data)) return calls.mountByPage("overlay", data, target, options.source);
  }
  const base = dirname(lowers[0] ?? "/");
  using relative = new ShortNames(calls, () => false, base);
  const data = format(relative);
  if (fits(data)) {
    return calls.within(base, () => calls.mountByPage("overlay", data, target, options.source));
  }
  throw new LimitError(
    "bytes of mount options",
    PAGE_BYTES,
    data.length,
    `the overlay of ${lowers.length} directories at "${target}", because this kernel lacks ` +
      "the call of Linux 6.8, which has no such limit",
  );
}

/** Returns all parameters except the lower directories. */
function parametersOf(options: OverlayMountOptions, names: ShortNames): MountParameter[] {
  const { writable, userXattr = false } = options;
  // Both would tie the upper directory to these lower directories.
  const parameters: MountParameter[] = [["index", "off"], ["metacopy", "off"]];
  if (userXattr) parameters.push(["userxattr"]);
  // A redirect names a directory of a lower layer, but a layer has other lower layers in other
  // images. With user attributes, directories are never redirected, and the option is an error.
  else parameters.push(["redirect_dir", "off"]);
  if (writable !== undefined) {
    parameters.push(["upperdir", names.of(writable.upper)], ["workdir", names.of(writable.work)]);
  }
  return parameters;
}

/** Characters that may have a special meaning in mount options. */
const SPECIAL = /[^A-Za-z0-9/._+@=-]/;
/** Longest directory name that is appended to a descriptor's path. */
const MAX_LEAF = 200;

/**
 * Names paths that have special characters or are too long through descriptors, such as
 * `/proc/self/fd/7/leaf`. The descriptors stay open until this is disposed of.
 */
class ShortNames implements Disposable {
  readonly #calls: NativeMount;
  readonly #isShort: (path: string) => boolean;
  readonly #base: string | undefined;
  readonly #open = new Map<string, Disposable & { readonly fd: number }>();

  /** Creates names. Entries of `base` are named relative to it. */
  constructor(calls: NativeMount, isShort: (path: string) => boolean, base?: string) {
    this.#calls = calls;
    this.#isShort = isShort;
    this.#base = base;
  }

  of(path: string): string {
    if (!SPECIAL.test(path) && this.#isShort(path)) return path;
    const parent = dirname(path);
    const leaf = path.slice(path.lastIndexOf("/") + 1);
    const isPlain = !SPECIAL.test(leaf) && leaf.length <= MAX_LEAF && leaf !== "";
    if (isPlain && parent === this.#base) return leaf;
    const directory = isPlain ? parent : path;
    const known = this.#open.getOrInsertComputed(directory, () => this.#calls.openPath(directory));
    return `/proc/self/fd/${known.fd}${isPlain ? `/${leaf}` : ""}`;
  }

  [Symbol.dispose](): void {
    for (const directory of this.#open.values()) directory[Symbol.dispose]();
  }
}
