/**
 * `deno task bench:unpack`: from a loopback registry to files, cold, against podman, skopeo with
 * umoci, and a pipeline of curl, igzip and bsdtar; every contender verifies what it unpacks. Needs
 * root, docker-registry, GNU time and the contenders. `--rounds N` (5), `--only NAME` for one
 * image, `--disk` for directories on the disk in place of such in memory.
 */
import { parseArgs } from "node:util";
import { fromFileUrl } from "@std/path";
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { imageLayout, layerDigests, pushImage, type Recipe, RECIPES, shell } from "./_images.ts";
import { type Contender, formatTable, measure } from "./_measure.ts";

const MOD = fromFileUrl(new URL("../mod.ts", import.meta.url));

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      only: { type: "string" },
      disk: { type: "boolean", default: false },
    },
  });
  await using registry = await dockerRegistry();
  const work = await Deno.makeTempDir({
    dir: values.disk ? "/var/tmp" : "/dev/shm",
    prefix: "oci-bench-",
  });
  try {
    for (const recipe of Object.values(RECIPES)) {
      if (values.only !== undefined && values.only !== recipe.name) continue;
      const contenders = await unpackContenders(recipe, registry.host, work);
      const table = formatTable(recipe.title, await measure(contenders, Number(values.rounds)));
      await Deno.stdout.write(new TextEncoder().encode(`${table}\n\n`));
    }
  } finally {
    await removePodman(work);
    await Deno.remove(work, { recursive: true });
  }
}

async function unpackContenders(
  recipe: Recipe,
  host: string,
  work: string,
): Promise<readonly Contender[]> {
  const { name } = recipe;
  const repository = await pushImage(recipe, host);
  const image = `${host}/${repository}:1`;
  const layout = await imageLayout(recipe);
  const clear = async () => {
    await removePodman(work);
    await shell(`rm -rf ${work}/*`);
  };
  const skopeo = `skopeo copy -q --insecure-policy --src-tls-verify=false docker://${image}`;
  return [
    {
      name: "oci unpack",
      command: `${Deno.execPath()} run -A ${MOD} unpack --quiet --store ${work}/store ${image} ` +
        `${work}/root`,
      prepare: clear,
    },
    {
      name: "podman pull",
      command: `podman --root ${work}/podman --runroot ${work}/run pull -q --tls-verify=false ` +
        image,
      prepare: clear,
    },
    {
      name: "skopeo copy, umoci unpack",
      command: `${skopeo} oci:${work}/skopeo:${name} && ` +
        `umoci unpack --image ${work}/skopeo:${name} ${work}/umoci`,
      prepare: clear,
    },
    {
      name: "curl, igzip, bsdtar, sha256sum",
      command: await pipeline(layout, `http://${host}/v2/${repository}/blobs`, work),
      prepare: clear,
    },
  ];
}

/** A layer after the other; each is kept, verified, decompressed, verified and extracted. */
async function pipeline(layout: string, blobs: string, work: string): Promise<string> {
  const lines = [`mkdir ${work}/root ${work}/blobs`];
  for (const { digest, diffId } of await layerDigests(layout)) {
    const check = (of: string) => `(sha256sum -c <(echo "${of.slice(7)}  -") >/dev/null)`;
    lines.push(
      `curl -sf ${blobs}/${digest} | tee ${work}/blobs/layer >(${check(digest)}) | igzip -dc | ` +
        `tee >(${check(diffId)}) | bsdtar -xpf - -C ${work}/root`,
    );
  }
  return lines.join(" && ");
}

/** Removes podman's store, and what it has mounted there. */
async function removePodman(work: string): Promise<void> {
  await shell(`umount -q ${work}/podman/overlay || true; rm -rf ${work}/podman ${work}/run`);
}
