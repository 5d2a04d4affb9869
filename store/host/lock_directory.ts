/**
 * Locks a directory with a flock, which the system drops when the process ends, however it ends.
 *
 * @param path The directory.
 * @returns The lock, which ends when it is closed; `"taken"` if another process has it or has just
 * removed the directory, and `"unknown"` where that cannot be told.
 */
export async function lockDirectory(path: string): Promise<Deno.FsFile | "taken" | "unknown"> {
  // Windows opens no directories.
  if (Deno.build.os === "windows") return "unknown";
  using stack = new DisposableStack();
  try {
    const directory = stack.use(await Deno.open(path));
    if (!(await directory.tryLock(true))) return "taken";
    stack.move();
    return directory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "taken";
    // It is another user's, or on a network file system that locks only files that are written.
    return "unknown";
  }
}
