import { ContentStore, loadArchive, type LoadedImage } from "../../../store/mod.ts";
import { buildImage, type BuiltImage } from "../../_support/image.ts";
import type { TempDir } from "../../_support/temp.ts";
import { IMAGE } from "../archives/_archives.ts";

/** The image of the archives with docker's media types. */
export const DOCKER: BuiltImage = buildImage({
  layers: IMAGE.layers.map(({ tar }) => tar),
  compression: "none",
  mediaTypes: "docker",
});

/** Loads an archive into the store of a directory. */
export async function load(
  dir: TempDir,
  archive: Uint8Array<ArrayBuffer>,
  name = "my-app.tar",
): Promise<{ readonly store: ContentStore; readonly loaded: readonly LoadedImage[] }> {
  const path = dir.join(name);
  await Deno.writeFile(path, archive);
  const store = await ContentStore.open(dir.join("store"));
  return { store, loaded: await loadArchive(store, path) };
}

/** Returns the names in a store. */
export async function names(store: ContentStore): Promise<readonly string[]> {
  return (await store.references()).map(({ name }) => name);
}
