import { CachingPuller, LayoutHashCache, LayoutImageCache } from "../../../cache/mod.ts";
import { parseReference, type Reference } from "../../../registry/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, type Built, type BuiltImage } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { FakeClient } from "./_fake_client.ts";

/** The image that the client serves. */
export const IMAGE: BuiltImage = image(1);
/** The image that the client serves instead once the cache is stale. */
export const OTHER: BuiltImage = image(2);
/** The name of both. */
export const REFERENCE: Reference = parseReference("example.com/a:1");

/** What a cache has of the image. */
export type State = "absent" | "complete" | "stale" | "incomplete" | "corrupt";

/** A cache, and the client that it asks. */
export interface Cache extends AsyncDisposable {
  readonly store: ContentStore;
  readonly client: FakeClient;
  readonly puller: CachingPuller;
}

/** Makes a cache that is in a state. */
export async function cacheIn(state: State, built: Built = IMAGE): Promise<Cache> {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const client = new FakeClient(built);
  const puller = new CachingPuller(
    new LayoutHashCache(store),
    new LayoutImageCache(store),
    client,
  );
  if (state !== "absent") {
    await puller.image(REFERENCE, { platform: "linux/amd64" });
    const [layer] = IMAGE.layers;
    const path = store.blobPath(layer?.descriptor.digest ?? built.descriptor.digest);
    if (state === "incomplete") await Deno.remove(path);
    // The size stays the same, so only the digest reveals the change.
    if (state === "corrupt") await Deno.writeFile(path, new Uint8Array(layer?.bytes.length ?? 0));
    if (state === "stale") client.serve(OTHER);
    client.calls.length = 0;
  }
  return {
    store,
    client,
    puller,
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Builds an image with two layers. */
export function image(seed: number, platform = "linux/amd64"): BuiltImage {
  return buildImage({
    platform,
    compression: "none",
    layers: [noise(50_000, seed * 10), noise(60_000, seed * 10 + 1)],
  });
}

/** Returns the calls of the client for the layers of an image. */
export function layersOf({ layers }: BuiltImage): readonly string[] {
  return layers.map(({ descriptor }) => `layer ${descriptor.digest}`);
}
