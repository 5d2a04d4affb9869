import { openFileTree } from "../../layer/disk/open_tree.ts";
import { mountsBelow } from "../../layer/linux/mount_table.ts";
import { moveEntry } from "../../layer/trees/move_entry.ts";
import { ifPermitted, lstatIfAny, namesIn } from "../host/files.ts";
import { lockDirectory } from "../host/lock_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import { identityOf, type UnpackRecord } from "./_unpack_record.ts";
import { renamedWork, WORK } from "./_work_directory.ts";

/**
 * Returns whether a directory has entries other than those of a process that unpacks into it or was
 * killed: its work directory, and the entries that it has published so far.
 */
export async function hasOthers(path: string, left: UnpackRecord | undefined): Promise<boolean> {
  const work = workName(path, left);
  const published = isDirectory(`${path}/${work}`) ? publishedIn(path, left) : new Set();
  if (published.size > 0) {
    using tree = openFileTree(path);
    // The process makes no mounts, so a mount belongs to the user.
    return tree.list("").some((name) => name !== work && !published.has(name)) || hasMounts(path);
  }
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (name !== work || !isDirectory) return true;
  }
  return false;
}

/**
 * Removes the leftovers of a killed process from a directory.
 *
 * @returns `"none"` if nothing is left; `"taken"` if another process uses the work directory;
 * `"unknown"` if it is not a known leftover or cannot be removed.
 */
export async function removeLeftover(
  path: string,
  left: UnpackRecord | undefined,
): Promise<"none" | "taken" | "unknown"> {
  const work = `${path}/${workName(path, left)}`;
  if (lstatIfAny(work) === undefined) return "none";
  using stack = new DisposableStack();
  // A process that uses another store may be unpacking into it.
  const lock = await lockDirectory(work);
  if (lock === "taken") return "taken";
  if (lock === "gone") return "none";
  if (lock !== "unknown") stack.use(lock);
  if (left === undefined) return "unknown";
  try {
    const names = namesIn(work);
    // The directory with the ID is created first and removed last.
    if (names.length > 0 && !isDirectory(`${work}/${left.id}`)) return "unknown";
    if (!takeBack(path, left)) return "unknown";
    for (const name of namesIn(work)) {
      if (name !== left.id) await removeTree(`${work}/${name}`);
    }
    await removeTree(work);
    return "none";
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "unknown";
    throw error;
  }
}

/**
 * Moves published entries back to the work directory, so that an interrupted removal can be resumed.
 * Returns `false` and changes nothing if something is mounted in the directory.
 */
function takeBack(path: string, left: UnpackRecord): boolean {
  const names = publishedIn(path, left);
  if (names.size === 0) return true;
  if (hasMounts(path)) return false;
  using tree = openFileTree(path);
  const work = workName(path, left);
  for (const name of names) moveEntry(tree, name, `${work}/${crypto.randomUUID()}`);
  return true;
}

/** Returns the names of published entries that still exist and have not changed. */
function publishedIn(path: string, left: UnpackRecord | undefined): ReadonlySet<string> {
  const names = new Set<string>();
  if (left === undefined || left.published.size === 0) return names;
  using tree = openFileTree(path);
  for (const [name, identity] of left.published) {
    // Another user's store may name any path.
    if (name === "" || name === "." || name === ".." || name.includes("/")) continue;
    const status = tree.status(name);
    if (status !== undefined && identityOf(status) === identity) names.add(name);
  }
  return names;
}

/** Returns the current name of the work directory. */
function workName(path: string, left: UnpackRecord | undefined): string {
  if (left === undefined) return WORK;
  const renamed = renamedWork(left.id);
  return isDirectory(`${path}/${renamed}`) ? renamed : WORK;
}

function isDirectory(path: string): boolean {
  return lstatIfAny(path)?.isDirectory ?? false;
}

/** Returns whether anything is mounted below a directory, or may be. */
function hasMounts(path: string): boolean {
  return ifPermitted(() => mountsBelow(path))?.length !== 0;
}
