/**
 * Prepares scenes within this process, which is fast, and without the user's credentials.
 *
 * @module
 */
import { pull, unpack } from "../cache/mod.ts";
import { hostPlatform, RemoteClient } from "../registry/mod.ts";
import { ContentStore, type Image, readImage } from "../store/mod.ts";
import { Broken } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { checkTree } from "./store_checks.ts";

/** Pulls an image anonymously. */
export async function pullInto(store: string, reference: string): Promise<void> {
  using client = new RemoteClient({ credentials: "none" });
  await pull(reference, { store, client });
}

/** Reads the image with a name in a store. */
export async function storedImage(path: string, name: string): Promise<Image> {
  const store = await ContentStore.open(path);
  const descriptor = await store.resolve(name);
  const image = descriptor && await readImage(store, descriptor.digest, hostPlatform());
  if (image === undefined) throw new Broken(`"${name}" is not in the store`);
  return image;
}

/** Checks that a source of any kind has an image of the campaign, by unpacking it. */
export async function checkSource(scene: Scene, source: string, number: number): Promise<void> {
  const id = crypto.randomUUID();
  const [store, out] = [scene.path(`store-${id}`), scene.path(`out-${id}`)];
  using client = new RemoteClient({ credentials: "none" });
  await unpack(source, out, { store, client });
  await checkTree(out, number);
}
