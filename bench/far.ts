/**
 * `deno task bench:far`: pulling and unpacking from a registry that is far away, against skopeo and
 * podman. The registry is on the loopback, behind a proxy with the round trip and the rate of a
 * line. Needs root and Debian's `docker-registry`, `skopeo`, `podman` and `time`. `--rounds N` (5),
 * `--only CASE`, `--line LINE|all` (60ms-15MB).
 */
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady } from "./_assert_ready.ts";
import { printComparison } from "./_comparison.ts";
import { type FarLine, openFarProxy } from "./_far_line.ts";
import type { Contender } from "./_measure.ts";
import { OCI } from "./_oci.ts";
import { chosen, readOptions } from "./_options.ts";
import { pushImage } from "./_pushed_image.ts";
import type { Recipe } from "./_recipes.ts";
import { runBenchmark } from "./_run_benchmark.ts";
import { Workplace } from "./_workplace.ts";

const LINES: Readonly<Record<string, FarLine>> = {
  "60ms-15MB": { roundTripMs: 60, bytesPerSecond: 15e6 },
  "100ms-15MB": { roundTripMs: 100, bytesPerSecond: 15e6 },
  "5ms-100MB": { roundTripMs: 5, bytesPerSecond: 100e6 },
  "100ms-100MB": { roundTripMs: 100, bytesPerSecond: 100e6 },
};

const CASES: readonly Recipe[] = [
  {
    name: "far-one",
    title: "200 MB in one layer",
    content: { kind: "usr", bytes: 200e6, layers: 1 },
  },
  {
    name: "far-four",
    title: "400 MB in four layers",
    content: { kind: "usr", bytes: 400e6, layers: 4 },
  },
  {
    name: "far-many",
    title: "40 MB in 20 layers",
    content: { kind: "usr", bytes: 40e6, layers: 20 },
  },
  {
    name: "far-small",
    title: "8 MB in one layer",
    content: { kind: "usr", bytes: 8e6, layers: 1 },
  },
];

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds, only, line = "60ms-15MB" } = readOptions(Deno.args, {
    only: CASES.map(({ name }) => name),
    line: [...Object.keys(LINES), "all"],
  });
  assertReady(["docker-registry", "skopeo", "podman", "time"]);
  await using registry = await dockerRegistry();
  const port = Number(new URL(registry.url).port);
  for (const recipe of chosen(CASES, only)) {
    const image = await pushImage(recipe, registry.host);
    for (const [name, profile] of Object.entries(LINES)) {
      if (line !== "all" && line !== name) continue;
      signal.throwIfAborted();
      using proxy = openFarProxy(port, profile);
      await using place = await Workplace.open("tmpfs");
      const reference = image.reference.replace(registry.host, proxy.host);
      const title = `${recipe.title}, ${name.replace("-", ", ")}/s per connection`;
      await printComparison(title, contenders(reference, place), { rounds, signal });
    }
  }
}

function contenders(reference: string, place: Workplace): readonly Contender[] {
  const prepare = () => place.clear();
  const store = `--quiet --store ${place.join("store")}`;
  return [
    { name: "`oci pull`", ours: true, command: `${OCI} pull ${store} ${reference}`, prepare },
    {
      name: "`oci unpack`",
      ours: true,
      command: `${OCI} unpack ${store} ${reference} ${place.join("root")}`,
      prepare,
    },
    {
      name: "`skopeo copy`",
      command: "skopeo copy -q --insecure-policy --src-tls-verify=false " +
        `docker://${reference} oci:${place.join("layout")}:1`,
      prepare,
    },
    {
      name: "`podman pull`",
      command: `${place.podman} pull -q --tls-verify=false ${reference}`,
      prepare,
    },
  ];
}
