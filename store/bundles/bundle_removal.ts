import { type MountEntry, mountsBelow } from "../../layer/linux/mount_table.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { errorCode, isDiskFull } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import { BundleError } from "../errors.ts";
import { lstatIfAny } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import { runProgram } from "../host/run_program.ts";
import { describeSystemError } from "../host/system_error.ts";
import { unmountAll } from "../host/unmount.ts";
import { endContainers } from "./_bundle_containers.ts";
import { CONFIG, MARK, removeMark } from "./_bundle_mark.ts";
import { type BundlePlace, openDirectoryIfAny } from "./_bundle_place.ts";
import { emptyDirectory } from "./_empty_directory.ts";
import type { BundleMount, BundleRecord } from "./bundle_record.ts";

/** A bundle to remove, whose record is locked. */
export interface RemovableBundle {
  readonly record: BundleRecord;
  readonly place: BundlePlace;
  /** Directory for the state of runtimes that run the bundle. */
  readonly stateDirectory: string;
  update(changes: Pick<BundleRecord, "phase">): Promise<void>;
}

/**
 * Ends the containers of a bundle, unmounts and removes everything in its directory, and the
 * directory itself. A directory that existed before the bundle is removed only if the bundle is
 * complete. The record stays.
 */
export async function removeFiles(
  bundle: RemovableBundle,
  onWarning?: (message: string) => void,
): Promise<void> {
  const { path, phase, isDirectoryNew } = bundle.record;
  const isHere = bundle.place === "here";
  if (isHere && phase !== "claimed") refuseForeignMounts(bundle.record);
  await endContainers(bundle.stateDirectory, path);
  if (!isHere) return await removeUnmarked(bundle);
  if (phase !== "claimed") await empty(bundle, onWarning);
  clearMark(bundle.record);
  if (isDirectoryNew || phase === "complete") await removeIfEmpty(path);
}

/**
 * Removes the empty directory of a process that was killed after it had created the directory and
 * before it marked it, or after it had removed the mark and before it removed the directory.
 */
async function removeUnmarked({ place, record }: RemovableBundle): Promise<void> {
  const { path, phase, inode, isDirectoryNew } = record;
  const mayBeUnmarked = isDirectoryNew && (phase === "claimed" || phase === "removal");
  if (place !== "gone" || !mayBeUnmarked) return;
  const { isDirectory = false, ino } = lstatIfAny(path) ?? {};
  if (isDirectory && (inode === null || inode === ino)) await removeIfEmpty(path);
}

async function empty(
  bundle: RemovableBundle,
  onWarning: ((message: string) => void) | undefined,
): Promise<void> {
  await recordRemoval(bundle);
  await unmountBundle(bundle.record, onWarning);
  using tree = openTree(bundle.record);
  if (tree === undefined) return;
  // Before everything else, because a bundle with this file counts as complete.
  if (tree.status(CONFIG)?.type === "file") tree.unlink(CONFIG);
  try {
    await emptyDirectory(tree, MARK);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    if (!await emptyWithSubIds(tree, bundle.record.path)) throw error;
    await emptyDirectory(tree, MARK);
  }
}

/**
 * Removes what this user may remove only with the subordinate IDs of `/etc/subuid`, to which programs
 * of a rootless container have changed the owner of files. Returns whether that succeeded.
 */
async function emptyWithSubIds(tree: FileTree, path: string): Promise<boolean> {
  const unshare = findProgram("unshare");
  if (unshare === undefined || !isGranted({ name: "run", command: unshare })) return false;
  const names = tree.list("").filter((name) => name !== MARK).map((name) => `./${name}`);
  const command = ["rm", "-rf", "--one-file-system", ...names];
  const user = ["--map-root-user", "--map-auto"];
  return (await runProgram(unshare, [...user, ...command], path)).success;
}

/** Records that the bundle is no longer complete, so that the removal can be resumed. */
async function recordRemoval(bundle: RemovableBundle): Promise<void> {
  try {
    await bundle.update({ phase: "removal" });
  } catch (error) {
    // Continue, since the removal frees space. If it is interrupted, an incomplete bundle is dead
    // anyway, and a complete one can be removed again.
    if (!isDiskFull(error)) throw error;
  }
}

/** Opens the directory; `undefined` if the path now leads to another one. */
function openTree({ path, inode }: BundleRecord): FileTree | undefined {
  using stack = new DisposableStack();
  const tree = stack.use(openDirectoryIfAny(path));
  if (tree === undefined) return undefined;
  if (inode !== null && tree.status("")?.ino !== inode) return undefined;
  stack.move();
  return tree;
}

function clearMark(record: BundleRecord): void {
  using tree = openTree(record);
  if (tree !== undefined) removeMark(tree, record.id);
}

async function removeIfEmpty(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    const code = errorCode(error);
    // Another process is making a bundle in it, or something is mounted at the directory itself.
    const isKept = code === "ENOTEMPTY" || code === "EBUSY" || code === "EEXIST";
    if (!isKept && !(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Unmounts the mounts of a bundle. Other mounts in its directory belong to the user.
 *
 * @throws {BundleError} If something else is mounted in the directory, before anything is
 * unmounted; or if a mount cannot be unmounted.
 */
async function unmountBundle(
  record: BundleRecord,
  onWarning: ((message: string) => void) | undefined,
): Promise<void> {
  const { path } = record;
  const mounts = listMounts(record);
  refuseForeignMounts(record, mounts);
  try {
    await unmountAll(mounts, onWarning);
  } catch (error) {
    throw unmountError(path, error);
  }
  const [left] = listMounts(record);
  if (left !== undefined) throw stillMounted(path, left.target);
}

/** Throws if the directory of a bundle has other mounts. */
function refuseForeignMounts(
  record: BundleRecord,
  mounts: readonly MountEntry[] = listMounts(record),
): void {
  const { path } = record;
  const foreign = mounts.find((mount) => !record.mounts.some((own) => isSame(mount, own, path)));
  if (foreign !== undefined) throw stillMounted(path, foreign.target);
}

function listMounts(record: BundleRecord): readonly MountEntry[] {
  const { path, mounts } = record;
  try {
    return mountsBelow(path);
  } catch (error) {
    // A process that cannot read the mount table cannot have mounted anything.
    if (error instanceof Deno.errors.NotCapable && mounts.length === 0) return [];
    throw unmountError(path, error);
  }
}

function isSame(mount: MountEntry, own: BundleMount, path: string): boolean {
  return mount.target === `${path}/${own.target}` &&
    (["type", "source", "device"] as const)
      .every((key) => own[key] === undefined || own[key] === mount[key]);
}

function stillMounted(path: string, target: string): BundleError {
  return new BundleError(`"${target}" is still mounted`, path, {
    code: "mounted",
    action: `remove "${path}"`,
    advice: "Unmount it first",
  });
}

function unmountError(path: string, cause: unknown): BundleError {
  return new BundleError(describeSystemError(cause), path, {
    code: "unmount",
    action: `unmount the root of "${path}"`,
    advice: "Run as the user who made the bundle, and with --allow-ffi",
    cause,
  });
}
