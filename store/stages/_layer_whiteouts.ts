import { parentPath } from "../../layer/trees/extract_path.ts";
import { overlayWhiteouts, type WhiteoutHandler } from "../../layer/extraction/whiteout_handler.ts";
import type { LayerKind } from "./layer_kind.ts";

/**
 * Whiteouts of a layer that is extracted alone.
 *
 * The kernel lists a directory that one layer alone has as it is, the whiteouts in it included,
 * which then cannot be looked at. It does not if the directory was copied from a lower layer, as
 * those in which the kernel itself makes whiteouts are. So each directory with a whiteout gets
 * the mark of a copy, with an empty value that stands for an origin that is not known.
 */
export function layerWhiteouts(namespace: LayerKind["namespace"]): WhiteoutHandler {
  const handler = overlayWhiteouts({ namespace });
  return {
    ...handler,
    hide(tree, path) {
      handler.hide(tree, path);
      using directory = tree.open(parentPath(path));
      directory.setXattr(`${namespace}.overlay.origin`, new Uint8Array());
    },
  };
}
