import { copyDirectoryMetadata } from "../../layer/trees/directory_metadata.ts";
import { isOverlayXattr } from "../../layer/trees/host_xattrs.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";

/**
 * The lower directories of an overlay, the top one first.
 *
 * A layer that an image has twice is there once, as the kernel refuses a directory that is: what
 * the upper occurrence has hides all that the lower one could show. Below a layer whose root is
 * opaque there is nothing; the kernel does not heed that mark in the root of a layer.
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
 * Makes an upper directory look as the uppermost layer that says something of its root: in an
 * overlay, the upper directory is the root.
 */
export function copyRootMetadata(upper: string, layers: readonly ExtractedLayer[]): void {
  using tree = openFileTree(upper);
  using root = tree.open("");
  const model = layers.findLast(({ describesRoot }) => describesRoot);
  if (model === undefined) {
    root.setMode(0o755);
    return;
  }
  using modelTree = openFileTree(model.path);
  using modelRoot = modelTree.open("");
  const status = modelTree.status("");
  if (status === undefined) throw new Deno.errors.NotFound(`"${model.path}" is gone`);
  copyDirectoryMetadata(modelRoot, root, status, isOverlayXattr);
}
