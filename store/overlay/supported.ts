import { describeSystemError } from "../host/system_error.ts";
import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { readMounts } from "../../layer/linux/mount_table.ts";
import { mountOverlay } from "../../layer/linux/overlay_mount.ts";
import { nativeRefusal, openFileTree } from "../../layer/trees/open_tree.ts";
import { mountTmpfs } from "../../layer/linux/tmpfs_mount.ts";
import { overlayWhiteouts } from "../../layer/extraction/whiteout_handler.ts";
import { lstatIfAny, removeIfAny } from "../host/durable.ts";
import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import { ensureStoreRoot } from "../host/private_directory.ts";
import { isRefusedWrite } from "../host/refused_write.ts";
import { discardTree } from "../host/unmount.ts";
import { findProgram } from "../host/find_runtime.ts";
import { FuseError, fuseMounter } from "./_fuse_mounter.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Whether and how overlays can be mounted, or the reason why not. */
export type OverlaySupport =
  | { readonly supported: true; readonly namespace: OverlayNamespace }
  | { readonly supported: false; readonly reason: string };

/**
 * Tests whether this process can mount overlays of directories in `root` with the kernel. Creates
 * two small layers with all kinds of entries, mounts them, checks the result, changes a file, and
 * removes everything again.
 *
 * @param root Directory for the test, usually that of a store. Created if it is missing.
 * @returns Whether overlays are supported, with the namespace of the attributes that the kernel
 * honors, or the reason why not.
 *
 * @example Choose a bundler
 * ```ts
 * import { overlaySupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const support = await overlaySupported(root);
 *
 * assert(support.supported || support.reason.length > 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function overlaySupported(root: string): Promise<OverlaySupport> {
  const mounter = await findKernelMounter(root);
  return typeof mounter === "string"
    ? { supported: false, reason: mounter }
    : { supported: true, namespace: mounter.namespace };
}

/**
 * Tests whether this process can mount overlays of directories in `root` with the program
 * fuse-overlayfs, in the same way as {@linkcode overlaySupported}.
 *
 * @param root Directory for the test, usually that of a store. Created if it is missing.
 * @returns Whether overlays are supported, or the reason why not.
 *
 * @example Check for overlay support
 * ```ts
 * import { fuseOverlaySupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const support = await fuseOverlaySupported(root);
 *
 * assert(support.supported || support.reason.length > 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function fuseOverlaySupported(root: string): Promise<OverlaySupport> {
  const mounter = await findFuseMounter(root);
  return typeof mounter === "string"
    ? { supported: false, reason: mounter }
    : { supported: true, namespace: mounter.namespace };
}

/** Abort signal and callback for the wait for another process's test. */
export type TrialOptions = Pick<LockFileOptions, "onWait" | "signal">;

/**
 * Ways to mount with the kernel. User attributes come second, since a program in the container
 * could set them itself; tmpfs supports them since Linux 6.6.
 */
const WAYS = [["trusted", "tmpfs"], ["user", "tmpfs"], ["user", "disk"]] as const;

/** Returns a mounter for the kernel's overlay file system, or the reason why there is none. */
export async function findKernelMounter(
  root: string,
  options: TrialOptions = {},
): Promise<OverlayMounter | string> {
  if (Deno.build.os !== "linux") return "the overlay file system is part of Linux";
  using _native = keepNativeBackend();
  const refusal = await refuseNative(root);
  if (refusal !== undefined) return refusal;
  const reasons = new Set<string>();
  for (const [namespace, upper] of WAYS) {
    const mounter = kernelMounter(namespace, upper);
    const reason = await tryMounter(root, mounter, options);
    if (reason === undefined) return mounter;
    reasons.add(reason);
  }
  return [...reasons].join("; ");
}

/** Returns a mounter for fuse-overlayfs, or the reason why there is none. */
export async function findFuseMounter(
  root: string,
  options: TrialOptions = {},
): Promise<OverlayMounter | string> {
  const program = await findProgram("fuse-overlayfs");
  if (program === undefined) return "fuse-overlayfs is not installed";
  const mounter = fuseMounter(program);
  return await refuseNative(root) ?? await tryMounter(root, mounter, options) ?? mounter;
}

/** Returns why the native backend, which creates whiteouts, is not available. */
async function refuseNative(root: string): Promise<string | undefined> {
  try {
    await ensureStoreRoot(root);
    return nativeRefusal(root);
  } catch (error) {
    if (isRefusedWrite(error)) return refusalOf(root, error);
    throw error;
  }
}

/** Mounts a test overlay and checks it; returns the reason if it does not work. */
async function tryMounter(
  root: string,
  mounter: OverlayMounter,
  options: TrialOptions,
): Promise<string | undefined> {
  // Run one test at a time, so that leftovers of a killed process can be recognized.
  const lockPath = `${root}/.overlay-trial.lock`;
  let lock: Deno.FsFile;
  try {
    lock = await lockFile(lockPath, options);
  } catch (error) {
    if (isRefusedWrite(error)) return refusalOf(root, error);
    throw error;
  }
  using _lock = lock;
  const trial = `${await Deno.realPath(root)}/.overlay-trial`;
  try {
    await discard(trial);
    const reason = await runTrial(trial, mounter);
    return reason && (refusalOfFileSystem(root, trial) ?? reason);
  } finally {
    await discard(trial);
    await removeIfAny(lockPath);
  }
}

function refusalOf(root: string, error: unknown): string {
  return `"${root}" cannot be written (${describeSystemError(error)})`;
}

/** Explains why the file system of the store refuses layers, as containers and live systems have it. */
function refusalOfFileSystem(root: string, trial: string): string | undefined {
  const mount = readMounts().findLast(({ target }) => isWithin(trial, target));
  if (mount === undefined || !/^(?:overlay|fuse\.fuse-overlayfs|aufs)$/.test(mount.type)) {
    return undefined;
  }
  return `"${root}" is itself on an overlay file system, which cannot hold the layers of another one`;
}

function isWithin(path: string, directory: string): boolean {
  return directory === "/" || path === directory || path.startsWith(`${directory}/`);
}

async function discard(trial: string): Promise<void> {
  if (lstatIfAny(trial) === undefined) return;
  await discardTree(trial, [`${trial}/scratch`, `${trial}/view`]);
}

async function runTrial(trial: string, mounter: OverlayMounter): Promise<string | undefined> {
  for (const name of ["lower/dir", "marked/dir", "scratch", "view"]) {
    await Deno.mkdir(`${trial}/${name}`, { recursive: true });
  }
  await Deno.writeTextFile(`${trial}/lower/removed`, "");
  await Deno.writeTextFile(`${trial}/lower/dir/hidden`, "");
  const scratch = `${trial}/scratch`;
  const [upper, work] = [`${scratch}/upper`, `${scratch}/work`];
  try {
    mark(`${trial}/marked`, mounter.namespace);
    if (mounter.upper === "tmpfs") mountTmpfs(scratch);
    await Deno.mkdir(upper);
    await Deno.mkdir(work);
    const lowers = [`${trial}/marked`, `${trial}/lower`];
    await mounter.mount(lowers, `${trial}/view`, { upper, work });
    return await lookAt(`${trial}/view`);
  } catch (error) {
    return describeRefusal(error);
  }
}

function mark(directory: string, namespace: OverlayNamespace): void {
  using tree = openFileTree(directory, { backend: "native" });
  const whiteouts = overlayWhiteouts({ namespace });
  whiteouts.hide(tree, "removed");
  whiteouts.hideAll(tree, "dir");
}

async function lookAt(view: string): Promise<string | undefined> {
  if (lstatIfAny(`${view}/removed`) !== undefined) return "it heeds no whiteouts";
  if (lstatIfAny(`${view}/dir/hidden`) !== undefined) return "it heeds no opaque directories";
  // A directory that replaces a whiteout must be marked opaque in the upper directory.
  await Deno.mkdir(`${view}/removed`);
  await Deno.writeTextFile(`${view}/removed/file`, "");
  return undefined;
}

function describeRefusal(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) {
    return 'mounting is for root, and for root of a user namespace as "unshare -Urm" makes it';
  }
  return error instanceof FuseError
    ? `fuse-overlayfs says: ${error.output}`
    : (error as Error).message;
}

/** Returns a mounter that uses the overlay file system of the kernel. */
function kernelMounter(
  namespace: OverlayNamespace,
  upper: OverlayMounter["upper"],
): OverlayMounter {
  return {
    kind: "overlay",
    namespace,
    upper,
    mount(lowers, target, { source, ...writable }) {
      mountOverlay(lowers, target, {
        writable,
        source,
        userXattr: namespace === "user",
        // A redirect refers to a directory of a lower layer by name, but layers are shared between
        // stacks.
        redirectDirectories: false,
      });
      return Promise.resolve();
    },
  };
}
