/**
 * `deno run -A bench/bundle.ts`: bundles of cached images. In process, by overlay from 4 to 100
 * layers and by extraction; and as whole processes, against `podman create`.
 */
import { ContentStore, OverlayBundler, readImage, UncompressedBundler } from "../store/mod.ts";
import { imageLayout, type Recipe, RECIPES } from "./_images.ts";
import { formatTable, measure } from "./_measure.ts";

if (import.meta.main) await main();

async function main(): Promise<void> {
  const work = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "oci-bench-" });
  try {
    const recipes = [RECIPES.four, RECIPES.hundred];
    for (const recipe of recipes) await inProcess(recipe, `${work}/${recipe.name}`);
    await processes(RECIPES.four, work);
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

/** Medians of many bundles of one image, in this process. */
async function inProcess(recipe: Recipe, path: string): Promise<void> {
  await shell(`cp -r ${await imageLayout(recipe)} ${path}`);
  const store = await ContentStore.open(path);
  const [reference] = await store.references();
  const digest = reference?.descriptor.digest;
  const platform = { os: "linux", architecture: "amd64" };
  const image = digest && await readImage(store, digest, platform);
  if (!image) throw new Error(`Cannot measure: "${path}" has no image`);
  for (const bundler of [new OverlayBundler(store), new UncompressedBundler(store)]) {
    const rounds = bundler instanceof OverlayBundler ? 50 : 3;
    const made: number[] = [];
    const removed: number[] = [];
    for (let round = 0; round <= rounds; round++) {
      const start = performance.now();
      const bundle = await bundler.bundle(image, `bench-${round}`);
      const middle = performance.now();
      await bundle.cleanup();
      if (round === 0) continue;
      made.push(middle - start);
      removed.push(performance.now() - middle);
    }
    write(
      `${recipe.title}, ${bundler.constructor.name}: ${median(made)} ms to make, ` +
        `${median(removed)} ms to remove`,
    );
  }
}

/** A bundle of a cached image as a command, against podman's containers. */
async function processes(recipe: Recipe, work: string): Promise<void> {
  const layout = await imageLayout(recipe);
  const reference = `oci:${layout}:${recipe.name}`;
  const oci = `OCI_STORE=${work}/store deno run -A ${
    new URL("../mod.ts", import.meta.url).pathname
  }`;
  const podman = `podman --root ${work}/podman --runroot ${work}/run --storage-driver overlay`;
  await shell(`${oci} bundle -q ${reference} ${work}/first && ${oci} unbundle ${work}/first`);
  await shell(`${podman} pull -q ${reference}`);
  const id = (await shell(`${podman} images -q --no-trunc`)).trim();
  const results = await measure([
    {
      name: "oci bundle",
      command: `${oci} bundle -q --policy never ${reference} ${work}/box`,
      prepare: async () => {
        await shell(`[ ! -e ${work}/box ] || ${oci} unbundle ${work}/box`);
      },
    },
    {
      name: "podman create and mount",
      command: `${podman} create --network none --name box ${id} true && ${podman} mount box`,
      prepare: async () => {
        await shell(`${podman} umount box || true; ${podman} rm -f box || true`);
      },
    },
  ]);
  write(formatTable(`${recipe.title}, cached`, results));
  await shell(
    `${oci} unbundle ${work}/box; ${podman} umount -a; ${podman} rm -fa; umount -R ${work}/podman/* || true`,
  );
}

function median(values: readonly number[]): string {
  return (values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN).toFixed(1);
}

function write(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function shell(command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-c", command],
    stdin: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot run ${command}: ${new TextDecoder().decode(stderr)}`);
}
