import { buildImage, buildIndex, type Built, type BuiltImage } from "./image.ts";
import { file, tar } from "./tar.ts";

/** The layer that both images have. */
export const BASE: Uint8Array<ArrayBuffer> = tar(file("base", "shared by both"));

/** An image that shares a layer with {@linkcode ARM64}. */
export const AMD64: BuiltImage = buildImage({ layers: [BASE, tar(file("bin", "amd64"))] });
/** An image for another platform. */
export const ARM64: BuiltImage = buildImage({
  layers: [BASE, tar(file("bin", "arm64"))],
  platform: "linux/arm64",
});
/** An index of both images. */
export const INDEX: Built = buildIndex([AMD64, ARM64]);
