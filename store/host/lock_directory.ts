import { lstatIfAny } from "./files.ts";

/**
 * Locks a directory with an flock, which the system releases when the process ends.
 *
 * @param path The directory, without symlinks.
 * @returns The lock, held until it is closed; `"taken"` if another process holds it; `"gone"` if
 * the directory no longer exists; `"unknown"` if the directory cannot be locked.
 */
export async function lockDirectory(
  path: string,
): Promise<Deno.FsFile | "taken" | "gone" | "unknown"> {
  // Deno cannot open directories on Windows.
  if (Deno.build.os === "windows") return "unknown";
  using stack = new DisposableStack();
  try {
    const directory = stack.use(await Deno.open(`${path}/.`));
    if (!await directory.tryLock(true)) return "taken";
    const [held, named] = [await directory.stat(), lstatIfAny(path)];
    if (held.ino !== named?.ino || held.dev !== named.dev) return "gone";
    stack.move();
    return directory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "gone";
    // Another user's directory, or a network file system that locks only files open for writing.
    return "unknown";
  }
}
