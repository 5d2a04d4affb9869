import { join } from "@std/path";
import { imageLayout, type ImageLayoutOptions } from "./_image_layout.ts";
import type { Recipe } from "./_recipes.ts";
import { shell } from "./_shell.ts";

/** An image in a registry on the loopback. */
export interface PushedImage {
  readonly recipe: Recipe;
  readonly reference: string;
  /** Path of the image's blobs in the registry. */
  readonly blobsUrl: string;
  readonly layers: readonly { readonly digest: string; readonly diffId: string }[];
}

/** Makes an image and pushes it to the registry at `host`. */
export async function pushImage(
  recipe: Recipe,
  host: string,
  options: ImageLayoutOptions = {},
): Promise<PushedImage> {
  const layout = await imageLayout(recipe, options);
  const repository = `bench/${recipe.name}`;
  const reference = `${host}/${repository}:1`;
  // skopeo remembers where it saw the same content, and would put another blob in its place.
  await shell(
    "skopeo copy -q --insecure-policy --preserve-digests --dest-tls-verify=false " +
      `oci:${layout}:${recipe.name} docker://${reference}`,
  );
  return {
    recipe,
    reference,
    blobsUrl: `http://${host}/v2/${repository}/blobs`,
    layers: await readLayers(layout),
  };
}

async function readLayers(layout: string): Promise<PushedImage["layers"]> {
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(join(layout, path)));
  const blob = (digest: string) => read(`blobs/${digest.replace(":", "/")}`);
  const manifest = await blob((await read("index.json")).manifests[0].digest);
  const config = await blob(manifest.config.digest);
  return manifest.layers.map(({ digest }: { readonly digest: string }, i: number) => {
    return { digest, diffId: config.rootfs.diff_ids[i] };
  });
}
