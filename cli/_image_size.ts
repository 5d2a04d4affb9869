import type { Manifest } from "../spec/mod.ts";

/** Bytes of an image as served: its config and its layers. */
export function imageSize(manifest: Manifest): number {
  return manifest.layers.reduce((size, layer) => size + layer.size, manifest.config.size);
}
