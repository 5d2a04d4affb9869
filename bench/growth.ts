/**
 * `deno task bench:growth`: what `oci unpack` takes for images with 1, 2, 4 and 8 times the bytes,
 * the entries and the layers. Time is to grow as they do; memory is not to. Needs GNU time;
 * `--rounds N` (3).
 */
import { parseArgs } from "node:util";
import { fromFileUrl } from "@std/path";
import { imageLayout, type Recipe } from "./_images.ts";
import { type Contender, measure } from "./_measure.ts";

const MOD = fromFileUrl(new URL("../mod.ts", import.meta.url));
const FACTORS = [1, 2, 4, 8];

/** What grows, and an image with so many times of it. */
const DIMENSIONS: Readonly<Record<string, (factor: number) => Recipe>> = {
  "100 MB in one layer": (factor) =>
    recipe(`bytes-${factor}`, { bytes: 100e6 * factor, layers: 1 }),
  "20 000 small files": (factor) => recipe(`entries-${factor}`, { smallFiles: 20_000 * factor }),
  "12 layers of 4 MB": (factor) => {
    return recipe(`layers-${factor}`, { bytes: 48e6 * factor, layers: 12 * factor });
  },
};

function recipe(name: string, size: Omit<Recipe, "name" | "title">): Recipe {
  return { name, title: name, ...size };
}

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" } } });
  const work = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "oci-bench-" });
  // These images serve nothing else.
  Deno.env.set("OCI_BENCH_CACHE", `${work}/images`);
  try {
    for (const [title, recipeOf] of Object.entries(DIMENSIONS)) {
      const contenders: Contender[] = [];
      for (const factor of FACTORS) contenders.push(await unpacking(recipeOf(factor), work));
      await print(title, await measure(contenders, { rounds: Number(values.rounds) }));
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function unpacking(image: Recipe, work: string): Promise<Contender> {
  const layout = await imageLayout(image);
  return {
    name: image.name,
    command: `${Deno.execPath()} run -A ${MOD} unpack --quiet --store ${work}/store ` +
      `oci:${layout}:${image.name} ${work}/root`,
    prepare: async () => {
      for (const name of ["store", "root"]) {
        await Deno.remove(`${work}/${name}`, { recursive: true }).catch(() => {});
      }
    },
  };
}

async function print(title: string, runs: Awaited<ReturnType<typeof measure>>): Promise<void> {
  const [first] = runs;
  const rows = runs.map(({ seconds, cpuSeconds, peakMib }, i) => [
    `${FACTORS[i]}×`,
    ratio(seconds, first?.seconds),
    ratio(cpuSeconds, first?.cpuSeconds),
    `${peakMib.toFixed(0)} MiB`,
  ]);
  const head = [title, "time", "CPU", "peak memory"];
  const lines = [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n\n`));
}

function ratio(value: number, of = NaN): string {
  return `${(value / of).toFixed(2)}×`;
}
