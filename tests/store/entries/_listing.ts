import { type ContentStore, type ImageFile, ImageFiles } from "../../../store/mod.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { namesIn } from "../../_support/temp.ts";
import { type FakeLayer, fakeLayers, imageOf, type UnpackBox } from "../unpacking/_unpack_box.ts";

/** Counts how often a store opens a layer from its start. */
export function countReads(store: ContentStore): { readonly reads: number } {
  const counter = { reads: 0 };
  const open = store.openBlob.bind(store);
  store.openBlob = (...args) => {
    counter.reads++;
    return open(...args);
  };
  return counter;
}

function describe({ path, status, target, xattrs }: ImageFile): unknown {
  return { path, status: { ...status, ino: 0, dev: 0 }, target, xattrs };
}

/** Lists the files of an image. */
export async function listed(store: ContentStore, layers: readonly FakeLayer[]): Promise<unknown> {
  return await Array.fromAsync(new ImageFiles(store, imageOf(layers)).list(), describe);
}

/** Returns the names of the files in `entries/`. */
export async function entryNames({ temp }: UnpackBox): Promise<readonly string[]> {
  return await namesIn(temp.join("store/entries"));
}

/** Makes an image that has an index, and returns the path of the index. */
export async function indexed(
  box: UnpackBox,
): Promise<{ readonly layers: readonly FakeLayer[]; readonly path: string }> {
  const layers = fakeLayers([tar(dir("a"), file("a/f", "content"), file("b", "other"))]);
  await listed(box.store, layers);
  const [name = ""] = await entryNames(box);
  return { layers, path: box.temp.join("store/entries", name) };
}
