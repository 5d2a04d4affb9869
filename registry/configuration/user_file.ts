/** Maximum size of a file in bytes; a sparse file may have any size. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * Reads a file of the user's configuration.
 *
 * @returns The bytes, or the reason why the file cannot be used.
 * @throws {Deno.errors.NotFound} If it does not exist.
 */
export async function readUserFile(path: string): Promise<Uint8Array<ArrayBuffer> | string> {
  const { isFile, size } = await Deno.stat(path);
  // Reading a named pipe would block.
  if (!isFile) return "it is not a regular file";
  if (size > MAX_FILE_BYTES) return `it is larger than ${MAX_FILE_BYTES} bytes`;
  return await Deno.readFile(path);
}

/**
 * Reads a file of the user's configuration; returns `undefined` if it does not exist, or with a
 * warning if it cannot be read.
 */
export async function readUserFileOrWarn(
  path: string,
  onWarning: ((message: string) => void) | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const bytes = await readUserFile(path);
    if (typeof bytes !== "string") return bytes;
    throw new Error(bytes);
  } catch (error) {
    // Another program removed it meanwhile.
    if (error instanceof Deno.errors.NotFound) return undefined;
    onWarning?.(`Cannot read "${path}": ${readProblem(error)}. The file is not used`);
    return undefined;
  }
}

/** Returns the reason why a file or a directory cannot be read. */
export function readProblem(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error instanceof Error ? error.message : String(error);
}

/** Returns whether a permission is granted, without prompting for it. */
export function isGranted(need: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(need).state === "granted";
}

/** Reads an environment variable; returns `undefined` if it is not set or not readable. */
export type EnvironmentReader = (name: string) => string | undefined;

/** Reads an environment variable without prompting for the permission. */
export function readGrantedEnvironment(name: string): string | undefined {
  return isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

/**
 * Returns the type of a path without prompting for the permission; `undefined` if it is absent, or
 * in a directory that this user may not search. Synchronous, which is faster for paths that
 * usually do not exist.
 */
export function statGranted(path: string): Deno.FileInfo | undefined {
  if (!isGranted({ name: "read", path })) return undefined;
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}
