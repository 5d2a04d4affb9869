import { checkPath, unlessRejected } from "../../spec/error_facts.ts";
import { StoreError } from "../errors.ts";
import { lstatIfAny, statIfAny } from "./files.ts";
import { isTrustedOwner, isWritableByOthers } from "./owners.ts";

/**
 * Reason why the directory of a store, or a directory in it, is not trusted: it is a symlink
 * (`"symlink"`) or one that leads nowhere (`"dangling"`), is not a directory (`"not-directory"`),
 * belongs to another user (`"owner"`), or others can write to it (`"writable"`).
 */
export type DirectoryFault = "symlink" | "dangling" | "not-directory" | "owner" | "writable";

/** Options for {@linkcode UntrustedStoreError}. */
export interface UntrustedStoreErrorOptions extends ErrorOptions {
  /** User ID of the directory's owner. */
  readonly owner?: number | null | undefined;
  /** Permissions of the directory. */
  readonly mode?: number | null | undefined;
}

/**
 * Thrown when another user can write to a store or may have done so. The content of a store decides
 * what its user runs, so the store is rejected, just as ssh rejects such a key.
 *
 * @example Recognize a store that others can write to
 * ```ts
 * import { ContentStore, UntrustedStoreError } from "@x/oci/store";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * await Deno.mkdir("./store");
 * await Deno.chmod("./store", 0o777);
 *
 * const error = await assertRejects(() => ContentStore.open("./store"), UntrustedStoreError);
 *
 * assertEquals(error.fault, "writable");
 * ```
 */
export class UntrustedStoreError extends StoreError {
  /** Reason why the directory is not trusted. */
  readonly fault: DirectoryFault;
  /** User ID of the directory's owner, on systems that have owners. */
  readonly owner: number | undefined;
  /** Permissions of the directory, on systems that have permissions. */
  readonly mode: number | undefined;

  /** Creates the error for the directory of a store, or a directory in it. */
  constructor(fault: DirectoryFault, path: string, options: UntrustedStoreErrorOptions = {}) {
    const { owner, mode, ...rest } = options;
    const [problem, advice] = describe(fault, options);
    super(problem, path, {
      ...rest,
      code: "untrusted-store",
      action: `use the store directory "${path}"`,
      advice,
    });
    this.fault = fault;
    this.owner = owner ?? undefined;
    this.mode = mode === null || mode === undefined ? undefined : mode & 0o7777;
  }
}

function describe(
  fault: DirectoryFault,
  { owner, mode }: UntrustedStoreErrorOptions,
): readonly [problem: string, advice: string] {
  switch (fault) {
    case "symlink":
      return ["it is a symlink", "Choose the directory that it leads to"];
    case "dangling":
      return ["it is a dangling symlink", "Create its target, or choose another directory"];
    case "not-directory":
      return ["it is not a directory", "Choose another path"];
    case "owner":
      return [`it belongs to user ${owner}`, "Choose a directory that belongs to you"];
    case "writable":
      return [
        `other users can write to it (mode ${((mode ?? 0) & 0o7777).toString(8)})`,
        'Run "chmod -R go-w" on the store, or choose another directory',
      ];
  }
}

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
  checkPath("open a store", path);
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

/**
 * Creates a directory and its parents if it does not exist. Even without a umask, only their owner
 * may write to them: they may be those of a store.
 */
export async function ensureDirectory(path: string): Promise<void> {
  await Deno.mkdir(path, { recursive: true, mode: MODE });
}

/** Creates the directory of a store and its parents if it does not exist, and checks it. */
export async function ensureStoreRoot(path: string): Promise<void> {
  if (checkStoreRoot(path)) return;
  await ensureDirectory(path);
  checkStoreRoot(path);
}

/**
 * Creates a directory in a store if it does not exist, after the store itself, and checks both.
 *
 * @param name Path of the directory in the store; its parent must exist.
 * @param mode Its mode if it is new, narrowed by the umask.
 */
export async function ensureStoreFolder(
  store: string,
  name: string,
  mode: number = MODE,
): Promise<void> {
  await ensureStoreRoot(store);
  const path = `${store}/${name}`;
  if (checkStoreFolder(path)) return;
  // Another process may have just created it, or the name is taken. The check below tells them apart.
  await unlessRejected(Deno.mkdir(path, { mode }), Deno.errors.AlreadyExists);
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
