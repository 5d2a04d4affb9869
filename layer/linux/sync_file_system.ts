import { NativeMount } from "./native_mount.ts";

/**
 * Writes the file system of a directory to the disk: one call for a tree of many files. Does nothing
 * if the native backend is not available.
 *
 * @param directory The directory.
 *
 * @example Write a file to the disk
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
