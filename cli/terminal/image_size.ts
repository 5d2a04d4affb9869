import type { Manifest } from "../../spec/manifest.ts";

/** Returns the compressed size of an image in bytes: its config and layers. */
export function imageSize(manifest: Manifest): number {
  return manifest.layers.reduce((size, layer) => size + layer.size, manifest.config.size);
}
