import { openLibc } from "./native_libc.ts";

/**
 * Keeps the native backend loaded until the result is disposed of: loading it takes milliseconds.
 * Does nothing if it is not available.
 *
 * @returns A handle to dispose of.
 *
 * @example Open several trees
 * ```ts
 * import { keepNativeBackend, openFileTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * {
 *   using _native = keepNativeBackend();
 *   for (const name of ["a", "b"]) {
 *     using tree = openFileTree(root);
 *     tree.makeDirectory(name);
 *   }
 * }
 *
 * assertEquals((await Array.fromAsync(Deno.readDir(root))).length, 2);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function keepNativeBackend(): Disposable {
  const libc = openLibc();
  return typeof libc === "string" ? { [Symbol.dispose]() {} } : libc;
}
