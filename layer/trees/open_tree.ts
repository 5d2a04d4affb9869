import { openLibc } from "../linux/native_libc.ts";
import { NativeTree } from "./_native_tree.ts";
import { PureTree } from "./_pure_tree.ts";
import type { FileTree, TreeBackend } from "./file_tree.ts";

/** Options for {@linkcode openFileTree}. */
export interface OpenFileTreeOptions {
  /**
   * The backend to use.
   *
   * @default The native one where it can be had, on Linux with `--allow-ffi`; else the pure one.
   */
  readonly backend?: TreeBackend | undefined;
  /** Is told why the native backend cannot be had, if no backend was asked for. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Opens an existing directory as a tree.
 *
 * @param root Path of the directory; a symbolic link is followed.
 * @param options Which backend.
 * @returns The tree, to be disposed of.
 * @throws {Deno.errors.NotADirectory} If the root is something else.
 * @throws {Deno.errors.NotSupported} If the backend that was asked for cannot be had.
 *
 * @example Make a file in a tree
 * ```ts
 * import { openFileTree } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * using tree = openFileTree(root);
 * tree.makeDirectory("etc");
 * using file = tree.createFile("etc/motd");
 * file?.write(new TextEncoder().encode("hello"), 0);
 *
 * assertEquals(tree.status("etc/motd")?.size, 5);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function openFileTree(root: string, options: OpenFileTreeOptions = {}): FileTree {
  const { backend, onWarning } = options;
  const path = Deno.realPathSync(root);
  if (backend === "pure") return new PureTree(path);
  const native = openNative(path);
  if (typeof native !== "string") return native;
  if (backend === "native") {
    throw new Deno.errors.NotSupported(`Cannot open "${root}" with the native backend: ${native}`);
  }
  onWarning?.(
    `"${root}" is written without the native backend, as ${native}: extended attributes, ` +
      "fractions of a millisecond and names that are not UTF-8 are not kept, and device nodes only " +
      "with --allow-run=mknod",
  );
  return new PureTree(path);
}

/** The native tree, or why there is none. */
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
      return `the kernel refuses it (${error.message})`;
    }
    throw error;
  }
}
