import { nativeRefusal, openFileTree } from "../../layer/disk/open_tree.ts";
import { overlayWhiteouts } from "../../layer/extraction/whiteout_handler.ts";
import { mountOf } from "../../layer/linux/mount_table.ts";
import { mountTmpfs } from "../../layer/linux/native_mount.ts";
import { problemOf } from "../../spec/error_facts.ts";
import { lockFile, type WaitOptions } from "../host/file_lock.ts";
import { lstatIfAny, removeIfAny } from "../host/files.ts";
import { ensureStoreRoot } from "../host/private_directory.ts";
import { describeSystemError, isRefusedWrite } from "../host/system_error.ts";
import { discardTree } from "../host/unmount.ts";
import type { OverlayNamespace } from "../threads/overlay_extraction.ts";
import { MAPPED_LOWERS, type OverlayMounter } from "./overlay_mounter.ts";

/** Returns the reason if the native backend, which creates whiteouts, is not available. */
export async function refuseNative(root: string): Promise<string | undefined> {
  try {
    await ensureStoreRoot(root);
    return nativeRefusal(root);
  } catch (error) {
    if (isRefusedWrite(error)) return refusalOf(root, error);
    throw error;
  }
}

/** Mounts a test overlay and checks it. Returns the reason if it does not work. */
export async function tryMounter(
  root: string,
  mounter: OverlayMounter,
  options: WaitOptions,
): Promise<string | undefined> {
  // Run one test at a time: an existing directory is then a leftover of a killed process.
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
  const discard = async () => {
    if (lstatIfAny(trial) === undefined) return;
    await discardTree(trial, ["scratch", MAPPED_LOWERS, "view"].map((name) => `${trial}/${name}`));
  };
  try {
    await discard();
    const reason = await runTrial(trial, mounter);
    return reason && (refusalOfFileSystem(root, trial) ?? reason);
  } finally {
    await discard();
    removeIfAny(lockPath);
  }
}

function refusalOf(root: string, error: unknown): string {
  return `"${root}" cannot be written (${describeSystemError(error)})`;
}

/** Explains why the file system of the store is unsuitable, as in containers and live systems. */
function refusalOfFileSystem(root: string, trial: string): string | undefined {
  const mount = mountOf(trial);
  if (mount === undefined || !/^(?:overlay|fuse\.fuse-overlayfs|aufs)$/.test(mount.type)) {
    return undefined;
  }
  return `"${root}" is itself on an overlay file system, which cannot hold the layers of another one`;
}

async function runTrial(trial: string, mounter: OverlayMounter): Promise<string | undefined> {
  // Root mounts in it, so no other user may put a link in its place.
  await Deno.mkdir(trial, { mode: 0o700 });
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
    return await checkView(`${trial}/view`);
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

async function checkView(view: string): Promise<string | undefined> {
  if (lstatIfAny(`${view}/removed`) !== undefined) return "it ignores whiteouts";
  if (lstatIfAny(`${view}/dir/hidden`) !== undefined) return "it ignores opaque directories";
  // A directory that replaces a whiteout must be marked opaque in the upper directory.
  await Deno.mkdir(`${view}/removed`);
  await Deno.writeTextFile(`${view}/removed/file`, "");
  return undefined;
}

function describeRefusal(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) {
    return 'only root can mount, or root of a user namespace, as in "unshare -Urm"';
  }
  return problemOf(error);
}
