import { ensureDir, exists } from "@std/fs";
import { join } from "@std/path";
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../spec/mod.ts";
import { removeTree } from "../store/host/remove_tree.ts";
import { debianImage } from "../tests/_support/debian_image.ts";
import type { Content, Recipe } from "./_recipes.ts";
import { shell } from "./_shell.ts";
import { listUsr, takePaths, writeSmallFiles } from "./_trees.ts";

export interface ImageLayoutOptions {
  /**
   * Directory that keeps images between runs.
   *
   * @default {"$OCI_BENCH_CACHE, else /dev/shm/oci-bench"}
   */
  readonly cache?: string;
}

/**
 * Makes an image, unless an earlier run has made it, and returns the directory of its OCI layout.
 * Its name in the layout is that of the recipe.
 */
export async function imageLayout(
  recipe: Recipe,
  options: ImageLayoutOptions = {},
): Promise<string> {
  const { cache = Deno.env.get("OCI_BENCH_CACHE") ?? "/dev/shm/oci-bench" } = options;
  const directory = join(cache, `3-${recipe.name}${sizeSuffix(recipe.content)}`);
  if (await exists(join(directory, "index.json"))) return directory;
  await ensureDir(cache);
  const building = await Deno.makeTempDir({ dir: cache, prefix: `${recipe.name}-` });
  try {
    await ensureDir(join(building, "blobs/sha256"));
    await writeLayout(building, recipe.name, await buildLayers(building, recipe.content));
    await Deno.rename(building, directory);
  } catch (error) {
    await removeTree(building);
    throw error;
  }
  return directory;
}

function sizeSuffix(content: Content): string {
  switch (content.kind) {
    case "debian":
      return "";
    case "usr":
    case "noise":
      return `-${content.bytes}`;
    case "files":
      return `-${content.count}`;
  }
}

interface BuiltLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly size: number;
}

async function buildLayers(layout: string, content: Content): Promise<readonly BuiltLayer[]> {
  switch (content.kind) {
    case "debian":
      return [await buildLayer(layout, `cat '${(await debianImage()).tar}'`)];
    case "usr":
      return await usrLayers(layout, content);
    case "files":
      return [await smallFilesLayer(layout, content.count)];
    case "noise":
      return await noiseLayers(layout, content);
  }
}

async function noiseLayers(
  layout: string,
  { bytes, layers: count }: Extract<Content, { readonly kind: "noise" }>,
): Promise<BuiltLayer[]> {
  const layers: BuiltLayer[] = [];
  for (let i = 0; i < count; i++) {
    const noise = join(layout, "noise");
    await shell(`head -c ${bytes} /dev/urandom >'${noise}'`);
    layers.push(await buildLayer(layout, `tar -C '${layout}' -cf - noise`));
    await Deno.remove(noise);
  }
  return layers;
}

/**
 * Makes layers of files from evenly spaced places in `/usr`. Leaves out very large files, such as
 * those of a toolchain, which few images have.
 */
async function usrLayers(
  layout: string,
  content: Extract<Content, { readonly kind: "usr" }>,
): Promise<BuiltLayer[]> {
  const { bytes, layers: count, scattered } = content;
  const lines = await listUsr({ tests: "-size -8M", scattered });
  const layers: BuiltLayer[] = [];
  for (let i = 0; i < count; i++) {
    const names = join(layout, "names");
    const start = Math.floor(lines.length * i / count);
    await Deno.writeTextFile(
      names,
      takePaths(lines.slice(start), bytes / count).toSorted().join("\n"),
    );
    layers.push(await buildLayer(layout, `tar --no-recursion -C / -T '${names}' -cf -`));
    await Deno.remove(names);
  }
  return layers;
}

async function smallFilesLayer(layout: string, count: number): Promise<BuiltLayer> {
  const root = join(layout, "small");
  await writeSmallFiles(root, count, 500);
  const layer = await buildLayer(layout, `tar --sort=name -C '${root}' -cf - .`);
  await Deno.remove(root, { recursive: true });
  return layer;
}

async function buildLayer(layout: string, tar: string): Promise<BuiltLayer> {
  const blob = join(layout, "layer");
  const sums = await shell(
    `${tar} | gzip -6 >'${blob}' && gzip -dc '${blob}' | sha256sum && sha256sum '${blob}'`,
  );
  const [diffHex = "", hex = ""] = sums.trim().split("\n").map((line) => line.slice(0, 64));
  const { size } = await Deno.stat(blob);
  await Deno.rename(blob, join(layout, "blobs/sha256", hex));
  return { digest: `sha256:${hex}`, diffId: `sha256:${diffHex}`, size };
}

async function writeLayout(
  layout: string,
  name: string,
  layers: readonly BuiltLayer[],
): Promise<void> {
  const put = async (mediaType: string, value: unknown) => {
    const bytes = new TextEncoder().encode(JSON.stringify(value));
    const digest = digestOf(bytes);
    await Deno.writeFile(join(layout, "blobs", digest.replace(":", "/")), bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const config = await put(OCI_CONFIG, {
    os: "linux",
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    config: { Cmd: ["/usr/bin/true"] },
    rootfs: { type: "layers", diff_ids: layers.map(({ diffId }) => diffId) },
  });
  const manifest = await put(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config,
    layers: layers.map(({ digest, size }) => ({ mediaType: `${OCI_LAYER}+gzip`, digest, size })),
  });
  const annotations = { "org.opencontainers.image.ref.name": name };
  const index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [{ ...manifest, annotations }],
  };
  await Deno.writeTextFile(join(layout, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  await Deno.writeTextFile(join(layout, "index.json"), JSON.stringify(index));
}
