import { checkPath, systemCause } from "../../spec/error_facts.ts";
import { openLibc } from "../linux/native_libc.ts";
import type { FileTree, TreeBackend } from "../trees/file_tree.ts";
import { NativeTree } from "./_native_tree.ts";
import { PureTree } from "./_pure_tree.ts";

/** Options for {@linkcode openFileTree}. */
export interface OpenFileTreeOptions {
  /**
   * Backend of the tree.
   *
   * The default is `"native"` on Linux with `--allow-ffi`, and otherwise `"pure"`.
   */
  readonly backend?: TreeBackend | undefined;
  /** Called if the native backend is not available and `backend` is not set. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Opens an existing directory as a tree.
 *
 * @param root Path of the directory; a symbolic link is followed.
 * @param options Backend and callbacks.
 * @returns The tree, which must be disposed of.
 * @throws {Deno.errors.NotFound} If the root does not exist.
 * @throws {Deno.errors.NotADirectory} If the root is not a directory.
 * @throws {Deno.errors.NotSupported} If the requested backend is not available.
 *
 * @example Look at extracted files without following their links
 * ```ts
 * import { extractLayer, openFileTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * await extractLayer(layer.readable, "./rootfs");
 *
 * using tree = openFileTree("./rootfs");
 * assertEquals(tree.status("bin/sh")?.type, "symlink");
 * assertEquals(tree.readLink("bin/sh"), "busybox");
 * ```
 */
export function openFileTree(root: string, options: OpenFileTreeOptions = {}): FileTree {
  const { backend, onWarning } = options;
  checkPath("open a directory", root, "root");
  const path = Deno.realPathSync(root);
  if (backend === "pure") return new PureTree(path);
  const native = openNative(path);
  if (typeof native !== "string") return native;
  if (backend === "native") {
    throw new Deno.errors.NotSupported(`Cannot open "${root}" with the native backend: ${native}`);
  }
  onWarning?.(
    `The native backend is not available for "${root}": ${native}. Extended attributes, fractions ` +
      "of milliseconds and names that are not UTF-8 are lost; device nodes need the program mknod",
  );
  return new PureTree(path);
}

/** Returns why the native backend is not available for a directory; `undefined` if it is. */
export function nativeRefusal(root: string): string | undefined {
  const native = openNative(Deno.realPathSync(root));
  if (typeof native === "string") return native;
  native[Symbol.dispose]();
  return undefined;
}

/** Opens the native tree, or returns the reason why it is not available. */
function openNative(path: string): FileTree | string {
  const libc = openLibc();
  if (typeof libc === "string") return libc;
  try {
    return new NativeTree(path, libc);
  } catch (error) {
    libc[Symbol.dispose]();
    if (
      error instanceof Deno.errors.NotSupported || error instanceof Deno.errors.PermissionDenied
    ) {
      return `the kernel does not allow it (${systemCause(error) ?? error.message})`;
    }
    throw error;
  }
}
