/**
 * Images to measure with, made from this machine's own `/usr`: real programs and documents, so
 * that they compress as real images do. Each is an OCI layout, made once and kept in
 * `$OCI_BENCH_CACHE`, else on `/dev/shm`.
 */
import { ensureDir, exists } from "@std/fs";
import { join } from "@std/path";
import { digestOf, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST } from "../spec/mod.ts";

/** How an image is made. */
export interface Recipe {
  readonly name: string;
  readonly title: string;
  /** Bytes of files, for all layers together; or a number of small files in a single layer. */
  readonly bytes?: number;
  readonly layers?: number;
  readonly smallFiles?: number;
}

/** What is measured. */
export const RECIPES: Readonly<Record<"four" | "one" | "hundred" | "small", Recipe>> = {
  four: { name: "four", title: "four layers, 700 MB", bytes: 700e6, layers: 4 },
  one: { name: "one", title: "one layer, 1 GB", bytes: 1e9, layers: 1 },
  hundred: { name: "hundred", title: "100 layers, 200 MB", bytes: 200e6, layers: 100 },
  small: { name: "small", title: "100 000 small files", smallFiles: 100_000 },
};

/** Makes the image unless it is there, and returns the directory of its layout. */
export async function imageLayout(recipe: Recipe): Promise<string> {
  const cache = Deno.env.get("OCI_BENCH_CACHE") ?? "/dev/shm/oci-bench";
  const directory = join(cache, `3-${recipe.name}-${recipe.bytes ?? recipe.smallFiles}`);
  if (await exists(join(directory, "index.json"))) return directory;
  await ensureDir(cache);
  const building = await Deno.makeTempDir({ dir: cache, prefix: `${recipe.name}-` });
  await ensureDir(join(building, "blobs/sha256"));
  const layers = recipe.smallFiles === undefined
    ? await usrLayers(building, recipe.bytes ?? 0, recipe.layers ?? 1)
    : [await smallFilesLayer(building, recipe.smallFiles)];
  await writeLayout(building, recipe.name, layers);
  await Deno.rename(building, directory);
  return directory;
}

/** Reads which layers the image of a layout has. */
export async function layerDigests(
  layout: string,
): Promise<readonly { readonly digest: string; readonly diffId: string }[]> {
  const read = async (path: string) => JSON.parse(await Deno.readTextFile(join(layout, path)));
  const blob = (digest: string) => read(`blobs/${digest.replace(":", "/")}`);
  const manifest = await blob((await read("index.json")).manifests[0].digest);
  const config = await blob(manifest.config.digest);
  return manifest.layers.map(({ digest }: { readonly digest: string }, i: number) => {
    return { digest, diffId: config.rootfs.diff_ids[i] };
  });
}

interface BuiltLayer {
  readonly digest: string;
  readonly diffId: string;
  readonly size: number;
}

/** Layers from evenly spaced places in `/usr`; few images have files as large as a toolchain's. */
async function usrLayers(layout: string, bytes: number, count: number): Promise<BuiltLayer[]> {
  const find = await shell("find /usr -xdev -size -8M -printf '%y %s %P\\n' | LC_ALL=C sort -k3");
  const lines = find.split("\n");
  const layers: BuiltLayer[] = [];
  for (let i = 0; i < count; i++) {
    const names = join(layout, "names");
    const start = Math.floor(lines.length * i / count);
    await Deno.writeTextFile(names, stretch(lines.slice(start), bytes / count).join("\n"));
    layers.push(await buildLayer(layout, `tar --no-recursion -C / -T '${names}' -cf -`));
    await Deno.remove(names);
  }
  return layers;
}

/** The first paths of a listing whose files have so many bytes. */
function stretch(lines: readonly string[], bytes: number): readonly string[] {
  const paths: string[] = [];
  let total = 0;
  for (const line of lines) {
    const [type, size, ...rest] = line.split(" ");
    if (rest.length === 0 || !"dfl".includes(type ?? "?")) continue;
    if (type === "f") total += Number(size);
    if (total > bytes) break;
    paths.push(`usr/${rest.join(" ")}`);
  }
  return paths;
}

async function smallFilesLayer(layout: string, count: number): Promise<BuiltLayer> {
  const root = join(layout, "small");
  for (let i = 0; i < count; i++) {
    const directory = join(root, `d${Math.floor(i / 500)}`);
    if (i % 500 === 0) await ensureDir(directory);
    await Deno.writeTextFile(join(directory, `file-${i}.txt`), `${i} `.repeat(1 + i % 200));
  }
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

async function writeLayout(layout: string, name: string, layers: BuiltLayer[]): Promise<void> {
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

/** Makes the image, pushes it to a registry on the loopback, and returns its repository. */
export async function pushImage(recipe: Recipe, host: string): Promise<string> {
  const layout = await imageLayout(recipe);
  const repository = `bench/${recipe.name}`;
  await shell(
    "skopeo copy -q --insecure-policy --dest-tls-verify=false " +
      `oci:${layout}:${recipe.name} docker://${host}/${repository}:1`,
  );
  return repository;
}

/** Runs a shell command to its end and returns what it printed. */
export async function shell(command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", command],
    stdin: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot run "${command}": ${new TextDecoder().decode(stderr)}`);
}
