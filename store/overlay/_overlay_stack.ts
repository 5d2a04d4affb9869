import { openFileTree } from "../../layer/disk/open_tree.ts";
import { copyDirectoryMetadata, dropInheritedAcls } from "../../layer/trees/directory_metadata.ts";
import { isOverlayXattr } from "../../layer/trees/host_xattrs.ts";
import type { LayerMapping } from "./_layer_mapping.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";

/**
 * Returns the lower directories of an overlay, the top one first.
 *
 * A repeated layer is included once, since the kernel rejects repeated directories, and its upper
 * occurrence hides the lower one. Layers below an opaque root are left out, since the kernel
 * ignores the opaque mark of a layer's root.
 *
 * @param layers The layers, the base first.
 */
export function lowersOf(layers: readonly ExtractedLayer[]): string[] {
  const lowers = new Map<string, string>();
  for (const { name, path, opaqueRoot } of layers.toReversed()) {
    if (!lowers.has(name)) lowers.set(name, path);
    if (opaqueRoot) break;
  }
  return [...lowers.values()];
}

/**
 * Copies the metadata of the root directory from the topmost layer that describes it to the upper
 * directory, which provides the root of the overlay.
 */
export function copyRootMetadata(
  upper: string,
  layers: readonly ExtractedLayer[],
  mapping: LayerMapping | undefined,
): void {
  using tree = openFileTree(upper);
  dropInheritedAcls(tree);
  using root = tree.open("");
  const model = layers.findLast(({ describesRoot }) => describesRoot);
  if (model === undefined) {
    if (mapping !== undefined) root.setOwner(mapping.root.uid, mapping.root.gid);
    root.setMode(0o755);
    return;
  }
  using modelTree = openFileTree(model.path);
  using modelRoot = modelTree.open("");
  const status = modelTree.status("");
  if (status === undefined) throw new Deno.errors.NotFound(`"${model.path}" no longer exists`);
  const [from, described] = mapping?.mount?.mapDirectory(modelRoot, status) ?? [modelRoot, status];
  copyDirectoryMetadata(from, root, described, isOverlayXattr);
}
