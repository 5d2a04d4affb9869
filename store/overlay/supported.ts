import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { mountTmpfs } from "../../layer/linux/tmpfs_mount.ts";
import { overlayWhiteouts } from "../../layer/extraction/whiteout_handler.ts";
import { lstatIfAny } from "../host/durable.ts";
import { lockFile, type LockFileOptions } from "../host/file_lock.ts";
import { ensureStoreRoot } from "../host/private_directory.ts";
import { isRefusedWrite } from "../host/refused_write.ts";
import { removeIfAny } from "../host/remove_tree.ts";
import { discardTree } from "../host/unmount.ts";
import { findProgram } from "../host/find_runtime.ts";
import { FuseError, fuseMounter } from "./_fuse_mounter.ts";
import { kernelMounter } from "./_kernel_mounter.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Whether overlays can be mounted, and how; or why not. */
export type OverlaySupport =
  | { readonly supported: true; readonly namespace: OverlayNamespace }
  | { readonly supported: false; readonly reason: string };

/**
 * Finds out whether the kernel mounts overlays of directories in `root`, for this process: makes
 * two small layers with all that layers have, mounts them, looks, changes something, and leaves
 * nothing behind.
 *
 * @param root Directory for the trial, most often a store's. It is made if it is not there.
 * @returns Yes, with the namespace of the attributes that the kernel heeds; or no, and why.
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
 * Finds out whether the program fuse-overlayfs mounts overlays of directories in `root`, for this
 * process, in the same way as {@linkcode overlaySupported}.
 *
 * @param root Directory for the trial, most often a store's. It is made if it is not there.
 * @returns Yes, or no and why.
 *
 * @example Say why there are no overlays
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

/** What ends the wait for the trial of another process, and what to call for a long one. */
export type TrialOptions = Pick<LockFileOptions, "onWait" | "signal">;

/**
 * How the kernel may do it. Marks of the user's own come second, as a program in the container could
 * make them itself; memory takes them since Linux 6.6.
 */
const WAYS = [["trusted", "tmpfs"], ["user", "tmpfs"], ["user", "disk"]] as const;

/** The kernel's overlay file system, or why there is none. */
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

/** The program fuse-overlayfs, or why there is none. */
export async function findFuseMounter(
  root: string,
  options: TrialOptions = {},
): Promise<OverlayMounter | string> {
  const program = await findProgram("fuse-overlayfs");
  if (program === undefined) return "fuse-overlayfs is not installed";
  const mounter = fuseMounter(program);
  return await refuseNative(root) ?? await tryMounter(root, mounter, options) ?? mounter;
}

/** Why there is no native backend, without which whiteouts cannot be made. */
async function refuseNative(root: string): Promise<string | undefined> {
  try {
    await ensureStoreRoot(root);
    openFileTree(root, { backend: "native" })[Symbol.dispose]();
    return undefined;
  } catch (error) {
    if (isRefusedWrite(error)) return refusalOf(root, error);
    if (!(error instanceof Deno.errors.NotSupported)) throw error;
    // The message ends with the reason.
    return error.message.slice(error.message.lastIndexOf(": ") + 2);
  }
}

/** Has an overlay mounted and looks at it; says why it is not what it must be. */
async function tryMounter(
  root: string,
  mounter: OverlayMounter,
  options: TrialOptions,
): Promise<string | undefined> {
  // One at a time, so that what a process leaves that is killed meanwhile is known to be left.
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
    return await runTrial(trial, mounter);
  } finally {
    await discard(trial);
    await removeIfAny(lockPath);
  }
}

function refusalOf(root: string, error: unknown): string {
  return `"${root}" cannot be written (${(error as Error).message.replace(/, run again.*/s, "")})`;
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
  // In the place of a whiteout, a directory must be marked opaque in the upper directory.
  await Deno.mkdir(`${view}/removed`);
  await Deno.writeTextFile(`${view}/removed/file`, "");
  return undefined;
}

function describeRefusal(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) {
    return 'mounting is for root, and for root of a user namespace as "unshare -Urm" makes it';
  }
  return error instanceof FuseError
    ? `fuse-overlayfs says: ${error.said}`
    : (error as Error).message;
}
