import { NativeMount } from "./native_mount.ts";

/**
 * Waits until everything that was written to the file system of a directory is on the disk: one
 * call for a tree of many files. Does nothing where there is no native backend.
 *
 * @param directory The directory.
 *
 * @example Make sure of a file
 * ```ts
 * import { syncFileSystem } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/file`, "kept");
 * await syncFileSystem(directory);
 *
 * assertEquals(await Deno.readTextFile(`${directory}/file`), "kept");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function syncFileSystem(directory: string): Promise<void> {
  using calls = NativeMount.tryOpen();
  await calls?.syncFileSystem(directory);
}
