/**
 * `deno task bench:copy`: copies between two registries on the loopback, against `skopeo copy`. The
 * target is emptied before each run. Needs root, and Debian's `docker-registry`, `skopeo` and
 * `time`. `--rounds N` (5), `--only CASE`.
 */
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady, chosen, readOptions, runBenchmark } from "./_benchmark.ts";
import type { Contender } from "./_measure.ts";
import { pushImage } from "./_pushed_image.ts";
import type { Recipe } from "./_recipes.ts";
import { OCI, shell } from "./_shell.ts";
import { printComparison } from "./_tables.ts";

/** Images of incompressible bytes, so that the sizes are those of the layers. */
const RECIPES: readonly Recipe[] = [
  noiseImage("noise-3", "3 MB in one layer", 3e6, 1),
  noiseImage("noise-67", "67 MB in one layer", 67e6, 1),
  noiseImage("noise-four", "260 MB in four layers", 65e6, 4),
  noiseImage("noise-gib", "1 GiB in one layer", 2 ** 30, 1),
];

function noiseImage(name: string, title: string, bytes: number, layers: number): Recipe {
  return { name, title, content: { kind: "noise", bytes, layers } };
}

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds, only } = readOptions(Deno.args, { only: RECIPES.map(({ name }) => name) });
  assertReady(["docker-registry", "skopeo", "time"]);
  for (const recipe of chosen(RECIPES, only)) {
    // New registries for each image, because both keep it in memory.
    await using source = await dockerRegistry();
    await using target = await dockerRegistry();
    const { reference } = await pushImage(recipe, source.host);
    const prepare = async () => void await shell(`rm -rf '${target.storage}/docker'`);
    const contenders = copiers(reference, `${target.host}/bench/copy:1`)
      .map((contender) => ({ ...contender, prepare }));
    await printComparison(`${recipe.title}, between registries`, contenders, { rounds, signal });
  }
}

function copiers(source: string, target: string): readonly Contender[] {
  return [
    { name: "`oci copy`", ours: true, command: `${OCI} copy --quiet ${source} ${target}` },
    {
      name: "`skopeo copy`",
      command: "skopeo copy -q --insecure-policy --src-tls-verify=false --dest-tls-verify=false " +
        `docker://${source} docker://${target}`,
    },
  ];
}
