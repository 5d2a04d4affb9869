/**
 * Removes a directory and all that is in it, also what an ordinary user may not look into as
 * long as its mode is what the image says. Nothing may be mounted in it.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    await openUp(path);
    await Deno.remove(path, { recursive: true });
  }
}

/** Lets the owner read and change a directory and those in it. */
async function openUp(path: string): Promise<void> {
  await Deno.chmod(path, 0o700);
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) await openUp(`${path}/${name}`);
  }
}

/** Removes a file; nothing if it is not there. */
export async function removeIfAny(path: string): Promise<void> {
  try {
    await Deno.remove(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}
