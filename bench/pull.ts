/**
 * `deno task bench:pull`: from a loopback registry into a layout, against skopeo; then a warm
 * pull. Needs docker-registry, skopeo and GNU time. `--rounds N` (5), `--disk` for a directory
 * on the disk in place of one in memory.
 */
import { parseArgs } from "node:util";
import { fromFileUrl } from "@std/path";
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { pushImage, type Recipe, RECIPES, shell } from "./_images.ts";
import { type Contender, formatTable, measure } from "./_measure.ts";

const MOD = fromFileUrl(new URL("../mod.ts", import.meta.url));

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      disk: { type: "boolean", default: false },
    },
  });
  await using registry = await dockerRegistry();
  const work = await Deno.makeTempDir({
    dir: values.disk ? "/var/tmp" : "/dev/shm",
    prefix: "oci-bench-",
  });
  try {
    for (const recipe of [RECIPES.four, RECIPES.one, RECIPES.hundred]) {
      const contenders = await pullContenders(recipe, registry.host, work);
      const table = formatTable(recipe.title, await measure(contenders, Number(values.rounds)));
      await Deno.stdout.write(new TextEncoder().encode(`${table}\n\n`));
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

async function pullContenders(
  recipe: Recipe,
  host: string,
  work: string,
): Promise<readonly Contender[]> {
  const { name } = recipe;
  const image = `${host}/${await pushImage(recipe, host)}:1`;
  const oci = `${Deno.execPath()} run -A ${MOD} pull --quiet --store`;
  await shell(`${oci} ${work}/warm-${name} ${image}`);
  const empty = (directory: string) => async () => {
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  };
  return [
    {
      name: "oci pull",
      command: `${oci} ${work}/oci ${image}`,
      prepare: empty(`${work}/oci`),
    },
    {
      name: "skopeo copy",
      command: "skopeo copy -q --insecure-policy --src-tls-verify=false " +
        `docker://${image} oci:${work}/skopeo:${name}`,
      prepare: empty(`${work}/skopeo`),
    },
    { name: "oci pull, warm", command: `${oci} ${work}/warm-${name} ${image}` },
  ];
}
