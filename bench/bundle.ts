/**
 * `deno task bench:bundle`: bundles of cached images. In process, by overlay from 4 to 100 layers
 * and by extraction; and as whole processes, against `podman create`. Needs root, podman and GNU
 * time. `--rounds N` (5) of the processes.
 */
import { ContentStore, OverlayBundler, readImage, UncompressedBundler } from "../store/mod.ts";
import { assertReady, readOptions, runBenchmark, write } from "./_benchmark.ts";
import { imageLayout } from "./_image_layout.ts";
import { type MeasureOptions, median } from "./_measure.ts";
import { CASES, type Recipe } from "./_recipes.ts";
import { OCI, shell } from "./_shell.ts";
import { printComparison } from "./_tables.ts";
import { Workplace } from "./_workplace.ts";

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds } = readOptions(Deno.args, {});
  assertReady(["podman", "time"]);
  await using workplace = await Workplace.open("tmpfs");
  const recipes = CASES.filter(({ name }) => ["four", "hundred"].includes(name));
  for (const recipe of recipes) {
    await inProcess(recipe, workplace.join(recipe.name), signal);
    await processes(recipe, workplace, { rounds, signal });
    await workplace.clear();
  }
}

/** Medians of many bundles of one image, in this process. */
async function inProcess(recipe: Recipe, path: string, signal: AbortSignal): Promise<void> {
  await shell(`cp -r ${await imageLayout(recipe)} ${path}`);
  const store = await ContentStore.open(path);
  const [reference] = await store.references();
  const digest = reference?.descriptor.digest;
  const architecture = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
  const image = digest && await readImage(store, digest, { os: "linux", architecture });
  if (!image) throw new Error(`Cannot measure: "${path}" has no image`);
  for (const bundler of [new OverlayBundler(store), new UncompressedBundler(store)]) {
    const rounds = bundler instanceof OverlayBundler ? 50 : 3;
    const made: number[] = [];
    const removed: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      signal.throwIfAborted();
      const start = performance.now();
      const bundle = await bundler.bundle(image, `bench-${round}`);
      const middle = performance.now();
      await bundle.cleanup();
      if (round === 0) continue;
      made.push(middle - start);
      removed.push(performance.now() - middle);
    }
    await write(
      `${recipe.title}, ${bundler.constructor.name}: ${median(made).toFixed(1)} ms to make, ` +
        `${median(removed).toFixed(1)} ms to remove\n`,
    );
  }
}

/** A bundle of a cached image as a command, against podman's containers. */
async function processes(
  recipe: Recipe,
  place: Workplace,
  options: MeasureOptions,
): Promise<void> {
  const { podman } = place;
  const reference = `oci:${await imageLayout(recipe)}:${recipe.name}`;
  const store = `--store ${place.join("store")}`;
  const first = place.join("first");
  const box = place.join("box");
  await shell(
    `${OCI} bundle -q ${store} ${reference} ${first} && ${OCI} unbundle ${store} ${first}`,
  );
  await shell(`${podman} pull -q ${reference}`);
  const id = (await shell(`${podman} images -q --no-trunc`)).trim();
  await printComparison(`${recipe.title}, cached`, [
    {
      name: "`oci bundle`",
      ours: true,
      command: `${OCI} bundle -q --policy never ${store} ${reference} ${box}`,
      prepare: async () => {
        await shell(`[ ! -e ${box} ] || ${OCI} unbundle ${store} ${box}`);
      },
    },
    {
      name: "`podman create`, `podman mount`",
      command: `${podman} create --network none --name box ${id} true && ${podman} mount box`,
      prepare: async () => {
        await shell(`${podman} rm -f --ignore box`);
      },
    },
  ], options);
}
