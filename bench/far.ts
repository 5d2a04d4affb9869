/**
 * `deno task bench:far`: pulling and unpacking from a registry that is far away, against skopeo and
 * podman. The registry is on the loopback, behind a proxy with the round trip and the rate of a
 * line. Needs root and Debian's `docker-registry`, `skopeo`, `podman` and `time`. `--rounds N` (5),
 * `--only CASE`, `--line LINE|all` (60ms-15MB).
 */
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady, chosen, readOptions, runBenchmark } from "./_benchmark.ts";
import { contendersFor } from "./_contenders.ts";
import { type FarLine, openFarProxy } from "./_far_line.ts";
import type { Contender } from "./_measure.ts";
import { type PushedImage, pushImage } from "./_pushed_image.ts";
import { type Recipe, usrImage } from "./_recipes.ts";
import { printComparison } from "./_tables.ts";
import { Workplace } from "./_workplace.ts";

const LINES: Readonly<Record<string, FarLine>> = {
  "60ms-15MB": { roundTripMs: 60, bytesPerSecond: 15e6 },
  "100ms-15MB": { roundTripMs: 100, bytesPerSecond: 15e6 },
  "5ms-100MB": { roundTripMs: 5, bytesPerSecond: 100e6 },
  "100ms-100MB": { roundTripMs: 100, bytesPerSecond: 100e6 },
};

const CASES: readonly Recipe[] = [
  usrImage("far-one", "200 MB in one layer", 200e6, 1),
  usrImage("far-four", "400 MB in four layers", 400e6, 4),
  usrImage("far-many", "40 MB in 20 layers", 40e6, 20),
  usrImage("far-small", "8 MB in one layer", 8e6, 1),
];

/** Names of the contenders to measure. */
const COMMANDS = ["`oci pull`", "`skopeo copy`", "`oci unpack`", "`podman pull`"];

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
      await printComparison(title, contenders({ ...image, reference }, place), { rounds, signal });
    }
  }
}

function contenders(image: PushedImage, place: Workplace): readonly Contender[] {
  return [...contendersFor("pull", image, place), ...contendersFor("unpack", image, place)]
    .filter(({ name }) => COMMANDS.includes(name));
}
