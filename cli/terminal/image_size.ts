import type { Manifest } from "../../spec/manifest.ts";

/** Bytes of an image as served: its config and its layers. */
export function imageSize(manifest: Manifest): number {
  return manifest.layers.reduce((size, layer) => size + layer.size, manifest.config.size);
}
