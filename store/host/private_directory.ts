import { type DirectoryFault, UntrustedStoreError } from "../errors.ts";
import { lstatIfAny, statIfAny } from "./files.ts";
import { isTrustedOwner, isWritableByOthers } from "./owners.ts";

/** Mode of the directories in a store: even without a umask, only their owner may write to them. */
const MODE = 0o755;

/**
 * Checks the directory of a store, which may be reached through a symlink. A user who can write to
 * it controls the programs that the store's user runs.
 *
 * @param path The directory; it need not exist.
 * @returns Whether it exists.
 * @throws {UntrustedStoreError} If another user owns it or can write to it, or it is not a
 * directory.
 */
export function checkStoreRoot(path: string): boolean {
  const named = lstatIfAny(path);
  if (named === undefined) return false;
  const info = named.isSymlink ? statIfAny(path) : named;
  if (info === undefined) throw new UntrustedStoreError("dangling", path);
  // In a sticky directory, other users can add names but cannot replace those of its owner.
  const isSticky = ((info.mode ?? 0) & 0o1000) !== 0;
  refuse(path, info, isSticky);
  return true;
}

/**
 * Checks a directory in a store, which must not be a symlink.
 *
 * @param path The directory; it need not exist.
 * @returns Whether it exists.
 * @throws {UntrustedStoreError} As {@linkcode checkStoreRoot} does.
 */
export function checkStoreFolder(path: string): boolean {
  const info = lstatIfAny(path);
  if (info === undefined) return false;
  refuse(path, info, false);
  return true;
}

/** Creates the directory of a store and its parents if it does not exist, and checks it. */
export async function ensureStoreRoot(path: string): Promise<void> {
  if (checkStoreRoot(path)) return;
  await Deno.mkdir(path, { recursive: true, mode: MODE });
  checkStoreRoot(path);
}

/**
 * Creates a directory in a store if it does not exist, and checks it.
 *
 * @param path The directory; its parent must exist.
 * @param mode Its mode if it is new, narrowed by the umask.
 */
export async function ensureStoreFolder(path: string, mode: number = MODE): Promise<void> {
  if (checkStoreFolder(path)) return;
  try {
    await Deno.mkdir(path, { mode });
  } catch (error) {
    // Another process has just created it, or the name is taken. The check below tells them apart.
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
  checkStoreFolder(path);
}

function refuse(path: string, info: Deno.FileInfo, isSticky: boolean): void {
  const fault = directoryFault(info, isSticky);
  if (fault === undefined) return;
  throw new UntrustedStoreError(fault, path, { owner: info.uid, mode: info.mode });
}

function directoryFault(info: Deno.FileInfo, isSticky: boolean): DirectoryFault | undefined {
  if (info.isSymlink) return "symlink";
  if (!info.isDirectory) return "not-directory";
  if (!isTrustedOwner(info.uid)) return "owner";
  return !isSticky && isWritableByOthers(info) ? "writable" : undefined;
}
