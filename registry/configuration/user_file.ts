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
  if (size > MAX_FILE_BYTES) return `it has more than ${MAX_FILE_BYTES} bytes`;
  return await Deno.readFile(path);
}

/** Reads an environment variable without prompting for the permission. */
export function readGrantedEnvironment(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}
