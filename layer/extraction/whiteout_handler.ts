import { parentPath } from "../trees/clean_path.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { removeEntry } from "../trees/remove_entry.ts";

/**
 * Turns the whiteouts of a layer into what the place of extraction needs. The extractor knows
 * what the layer itself has, in whichever order it comes: a handler is only asked to hide what
 * the layer does not have.
 */
export interface WhiteoutHandler {
  /**
   * Whether the tree holds the lower layers' content too. Then `hide` is called for each path of
   * theirs that is to go, and `hideAll` never.
   */
  readonly stacked: boolean;
  /**
   * Hides `path` of the layers below.
   *
   * @param tree The tree.
   * @param path What to hide. Its parent is there; this layer has nothing at the path.
   */
  hide(tree: FileTree, path: string): void;
  /**
   * Hides all that the layers below have in a directory.
   *
   * @param tree The tree.
   * @param directory A directory of this layer.
   */
  hideAll(tree: FileTree, directory: string): void;
}

/**
 * Removes what a whiteout names: for a tree into which layers are extracted one over the other.
 *
 * @returns A handler, without state.
 *
 * @example Extract a layer over what is there
 * ```ts
 * import { LayerExtractor, openFileTree, removingWhiteouts } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * using tree = openFileTree(root);
 * tree.makeDirectory("old");
 *
 * removingWhiteouts().hide(tree, "old");
 *
 * assertEquals(tree.status("old"), undefined);
 * using extractor = new LayerExtractor(tree, { whiteouts: removingWhiteouts() });
 * extractor.finish();
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function removingWhiteouts(): WhiteoutHandler {
  return {
    stacked: true,
    hide: removeEntry,
    hideAll() {
      throw new TypeError("Cannot hide a directory of a stacked tree as a whole");
    },
  };
}

/** Options for {@linkcode overlayWhiteouts}. */
export interface OverlayWhiteoutOptions {
  /**
   * What a whiteout is: a character device 0:0, or an empty file with an extended attribute, which
   * needs Linux 6.7.
   *
   * @default {"device"}
   */
  readonly whiteout?: "device" | "xattr" | undefined;
  /**
   * The namespace of the extended attributes: `user` for mounts with the option `userxattr`, which
   * need no privilege.
   *
   * @default {"trusted"}
   */
  readonly namespace?: "trusted" | "user" | undefined;
}

/**
 * Writes whiteouts as the kernel's overlay file system reads them: for a tree that holds one
 * layer alone.
 *
 * See {@link https://docs.kernel.org/filesystems/overlayfs.html#whiteouts-and-opaque-directories | overlayfs, whiteouts and opaque directories}.
 * A mount does not heed that its lowest directory is opaque, so an opaque root says nothing to
 * the kernel: see `ExtractReport.opaqueRoot`.
 *
 * @param options Which form.
 * @returns A handler, without state.
 *
 * @example Extract a layer for a mount without privileges
 * ```ts
 * import { extractLayer, overlayWhiteouts } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const layer = new Blob([new Uint8Array(1024)]).stream();
 *
 * const { opaqueRoot } = await extractLayer(layer, root, {
 *   whiteouts: overlayWhiteouts({ namespace: "user" }),
 * });
 *
 * assertEquals(opaqueRoot, false);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function overlayWhiteouts(options: OverlayWhiteoutOptions = {}): WhiteoutHandler {
  const { whiteout = "device", namespace = "trusted" } = options;
  return {
    stacked: false,
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
      // The kernel looks for such whiteouts in directories that are marked alone.
      using directory = tree.open(parentPath(path));
      directory.setXattr(`${namespace}.overlay.opaque`, LOOK_INSIDE);
    },
    hideAll(tree, directory) {
      using entry = tree.open(directory);
      entry.setXattr(`${namespace}.overlay.opaque`, YES);
    },
  };
}

const YES = new Uint8Array([0x79]);
const LOOK_INSIDE = new Uint8Array([0x78]);
