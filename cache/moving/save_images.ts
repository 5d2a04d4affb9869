import type { Reference } from "../../registry/reference.ts";
import { toPlatform } from "../../spec/platform.ts";
import { ContentStore } from "../../store/content/content_store.ts";
import type { Held } from "../../store/content/find_held.ts";
import { type ImageToSave, saveArchive, type SavedImage } from "../../store/moving/save_archive.ts";
import { storeDirectory } from "../store_directory.ts";
import { CopyMeter } from "./_copy_meter.ts";
import { findStored } from "./_find_stored.ts";
import type { SaveOptions } from "./moving_options.ts";

/** Saves images by their names in the store. */
export async function saveStored(
  references: readonly (Reference | string)[],
  path: string,
  options: SaveOptions,
): Promise<readonly SavedImage[]> {
  const { onWait, signal } = options;
  const store = await ContentStore.open(options.store ?? storeDirectory(), { onWait });
  using stack = new DisposableStack();
  const images: ImageToSave[] = [];
  let first: Held<ImageToSave> | undefined;
  for (const reference of references) {
    const held = stack.use(await findStored(store, reference, "save", { signal, with: first }));
    first ??= held;
    images.push(held.found);
  }
  return await saveImages(store, images, path, options);
}

/**
 * Saves images of an open store with progress.
 *
 * @param images The images, or a function that pulls them into the store. It is called once the file
 * can be written.
 */
export async function saveImages(
  store: ContentStore,
  images: readonly ImageToSave[] | (() => Promise<readonly ImageToSave[]>),
  path: string,
  { platform, onProgress, ...options }: Omit<SaveOptions, "store" | "onWait">,
): Promise<readonly SavedImage[]> {
  using meters = new DisposableStack();
  let meter: CopyMeter | undefined;
  const saved = await saveArchive(store, images, path, {
    ...options,
    platform: platform === undefined ? undefined : toPlatform(platform),
    onProgress: (progress) => {
      (meter ??= meters.use(new CopyMeter(path, onProgress))).add(progress);
    },
  });
  meter?.end();
  return saved;
}
