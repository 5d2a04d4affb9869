import { type ContentStore, type Image, readImage } from "../../../store/mod.ts";
import {
  buildImage,
  type BuildImageOptions,
  type BuiltImage,
  putBlobs,
} from "../../_support/image.ts";

/** Stores an image. */
export async function storeImage(store: ContentStore, built: BuiltImage): Promise<Image> {
  await putBlobs(store, built);
  const image = await readImage(store, built.descriptor.digest, built.platform, { maxLayers: 600 });
  if (image === undefined) throw new Error("the image is not complete");
  return image;
}

/** Builds and stores an image. */
export async function storeBuilt(
  store: ContentStore,
  options: BuildImageOptions = {},
): Promise<Image> {
  return await storeImage(store, buildImage({ config: { Cmd: ["/bin/true"] }, ...options }));
}
