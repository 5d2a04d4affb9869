import { parentPath } from "../trees/clean_path.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { removeEntry } from "../trees/remove_entry.ts";

/**
 * Applies the whiteouts of a layer. The extractor tracks the entries of the layer, in any order,
 * and only calls the handler for paths that the layer does not have.
 */
export interface WhiteoutHandler {
  /**
   * Called to hide a path of the layers below.
   *
   * @param tree The tree.
   * @param path The path to hide. Its parent exists, and the layer has no entry at the path.
   */
  hide(tree: FileTree, path: string): void;
  /**
   * Called to hide everything that the layers below have in a directory. Absent if the tree also
   * contains these layers: `hide` is then called for each of their paths.
   *
   * @param tree The tree.
   * @param directory A directory of the layer.
   */
  hideAll?(tree: FileTree, directory: string): void;
}

/**
 * Handling of whiteouts: by a handler; as names of ordinary entries (`"literal"`), in an archive
 * that is not a layer; or not at all (`"omit"`), if there are no layers below that they could hide.
 */
export type WhiteoutMode = WhiteoutHandler | "literal" | "omit";

/** Whether a tree with this handling of whiteouts also contains the lower layers. */
export function isStacked(whiteouts: WhiteoutMode): boolean {
  if (typeof whiteouts === "string") return whiteouts === "literal";
  return whiteouts.hideAll === undefined;
}

/**
 * Creates a handler that removes hidden paths, for a tree that contains all layers.
 *
 * @returns The handler, which has no state.
 *
 * @example Remove a file that an upper layer deletes
 * ```ts
 * import { extractLayer, MemoryTree, removingWhiteouts, tarHeader } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const base = new Blob([tarHeader({ type: "file", path: "etc/motd" })]);
 * const upper = new Blob([tarHeader({ type: "file", path: "etc/.wh.motd" })]);
 * const tree = new MemoryTree();
 *
 * await extractLayer(base.stream(), tree);
 * await extractLayer(upper.stream(), tree, { whiteouts: removingWhiteouts() });
 *
 * assertEquals(tree.list("etc"), []);
 * ```
 */
export function removingWhiteouts(): WhiteoutHandler {
  return { hide: removeEntry };
}

/** Options for {@linkcode overlayWhiteouts}. */
export interface OverlayWhiteoutOptions {
  /**
   * Form of a whiteout: a character device 0:0, or an empty file with an extended attribute, which
   * requires Linux 6.7.
   *
   * @default {"device"}
   */
  readonly whiteout?: "device" | "xattr" | undefined;
  /**
   * Namespace of the extended attributes: `user` is for mounts with the option `userxattr`, which
   * need no privilege.
   *
   * @default {"trusted"}
   */
  readonly namespace?: "trusted" | "user" | undefined;
}

/**
 * Creates a handler that writes whiteouts for the kernel's overlay file system, for a tree that
 * contains a single layer.
 *
 * See {@link https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories |
 * overlayfs, whiteouts and opaque directories}. The kernel ignores the mark of an opaque root: see
 * `ExtractReport.opaqueRoot`.
 *
 * @param options Form and namespace.
 * @returns The handler, which has no state.
 *
 * @example Extract a layer for a mount without privileges
 * ```ts
 * import { extractLayer, MemoryTree, overlayWhiteouts, tarHeader } from "@x/oci/layer";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const layer = new Blob([
 *   tarHeader({ type: "file", path: "etc/.wh.motd" }),
 *   tarHeader({ type: "directory", path: "srv" }),
 *   tarHeader({ type: "file", path: "srv/.wh..wh..opq" }),
 * ]);
 * const tree = new MemoryTree();
 *
 * const whiteouts = overlayWhiteouts({ namespace: "user" });
 * await extractLayer(layer.stream(), tree, { whiteouts });
 *
 * assertEquals(tree.status("etc/motd")?.type, "character-device");
 * assert(tree.xattrsOf("srv").has("user.overlay.opaque"));
 * ```
 */
export function overlayWhiteouts(
  options: OverlayWhiteoutOptions = {},
): Required<WhiteoutHandler> {
  const { whiteout = "device", namespace = "trusted" } = options;
  return {
    hide(tree, path) {
      if (whiteout === "device") {
        tree.makeNode(path, "character-device", 0, 0);
        using node = tree.open(path);
        node.setTimes(0, 0);
        return;
      }
      using file = tree.createFile(path);
      file?.setXattr(`${namespace}.overlay.whiteout`, YES);
      file?.setTimes(0, 0);
      // The kernel only looks for such whiteouts in marked directories.
      using directory = tree.open(parentPath(path));
      directory.setXattr(opaqueMark(namespace), LOOK_INSIDE);
    },
    hideAll(tree, directory) {
      using entry = tree.open(directory);
      entry.setXattr(opaqueMark(namespace), YES);
    },
  };
}

/** Whether {@linkcode overlayWhiteouts} has marked a directory as opaque. */
export function isOpaque(tree: FileTree, path: string, namespace: string): boolean {
  if (tree.status(path)?.type !== "directory") return false;
  using entry = tree.open(path);
  return entry.getXattr(opaqueMark(namespace))?.[0] === YES[0];
}

function opaqueMark(namespace: string): string {
  return `${namespace}.overlay.opaque`;
}

const YES = new Uint8Array([0x79]);
/** Means that a directory contains whiteouts. */
const LOOK_INSIDE = new Uint8Array([0x78]);
