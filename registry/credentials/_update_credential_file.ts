import { unlessRejected } from "../../spec/error_facts.ts";
import { dirname } from "../../spec/paths.ts";
import { readCredentialFile } from "./_credential_file.ts";
import { followLinks } from "./follow_links.ts";

/** Time after which the lock of another process counts as abandoned. */
const MAX_LOCK_MS = 5_000;
const LOCK_PAUSE_MS = 20;

/**
 * Changes the text of a credential file atomically, with mode 0600, in one process at a time. If
 * the path is a symlink, changes its target and keeps the link.
 *
 * @param path Path of the file; its directory is created if necessary.
 * @param edit Called with the text, a JSON object or empty; returns the new text.
 * @throws {CredentialFileError} If the file exists and is not a JSON object; it is left alone.
 */
export async function updateCredentialFile(
  path: string,
  edit: (text: string) => string,
  signal?: AbortSignal,
): Promise<void> {
  const target = await followLinks(path);
  const directory = dirname(target);
  await Deno.mkdir(directory, { recursive: true, mode: 0o700 });
  using lock = await lockDirectory(directory, signal);
  const { text = "" } = await readCredentialFile(target, path) ?? {};
  const edited = edit(text);
  if (edited === text) return;
  if (lock.isHeld) await removeLeftovers(target);
  await replace(target, edited);
}

interface DirectoryLock extends Disposable {
  readonly isHeld: boolean;
}

/** Locks a directory where the system supports it, which leaves no lock file behind. */
async function lockDirectory(
  path: string,
  signal: AbortSignal | undefined,
): Promise<DirectoryLock> {
  using stack = new DisposableStack();
  let directory: Deno.FsFile;
  try {
    directory = stack.use(await Deno.open(path));
  } catch (error) {
    if (Deno.build.os !== "windows") throw error;
    return { isHeld: false, [Symbol.dispose]() {} };
  }
  let isHeld = false;
  const end = performance.now() + MAX_LOCK_MS;
  while (!isHeld && performance.now() < end) {
    signal?.throwIfAborted();
    try {
      isHeld = await directory.tryLock(true);
    } catch {
      // Some network file systems do not support locks.
      break;
    }
    if (!isHeld) await new Promise((resume) => setTimeout(resume, LOCK_PAUSE_MS));
  }
  const owned = stack.move();
  return { isHeld, [Symbol.dispose]: () => owned.dispose() };
}

/** Removes temporary files left behind by killed processes; the lock excludes running ones. */
async function removeLeftovers(target: string): Promise<void> {
  const prefix = temporaryPrefix(target);
  for await (const { name } of Deno.readDir(dirname(target))) {
    if (name.startsWith(prefix)) await Deno.remove(`${dirname(target)}/${name}`);
  }
}

function temporaryPrefix(target: string): string {
  return `.${/[^\\/]*$/.exec(target)?.[0]}.oci-`;
}

async function replace(target: string, text: string): Promise<void> {
  const directory = dirname(target);
  const temporary = `${directory}/${temporaryPrefix(target)}${crypto.randomUUID()}`;
  try {
    {
      using file = await Deno.open(temporary, { write: true, createNew: true, mode: 0o600 });
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      await keepOwner(target, temporary, await file.stat());
      await file.sync();
    }
    await Deno.rename(temporary, target);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(directory);
}

/** Copies the owner of the old file to the new one: root may edit the file of another user. */
async function keepOwner(
  target: string,
  temporary: string,
  { uid, gid }: Deno.FileInfo,
): Promise<void> {
  const old = await unlessRejected(Deno.stat(target), Deno.errors.NotFound);
  if (old === undefined || old.uid === null || (old.uid === uid && old.gid === gid)) return;
  try {
    await Deno.chown(temporary, old.uid, old.gid);
  } catch {
    // Only root can change the owner.
  }
}

async function syncDirectory(path: string): Promise<void> {
  try {
    using directory = await Deno.open(path);
    await directory.sync();
  } catch {
    // Windows cannot open directories, and some file systems cannot sync them.
  }
}
