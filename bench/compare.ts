/**
 * `deno task bench`: pulls images from a registry on the loopback, unpacks them and makes bundles of
 * them, compared with other tools that verify what they download. Needs root and the Debian
 * packages of these tools. `--rounds N` (5), `--only CASE`, `--work KIND`, `--place
 * tmpfs|disk|both` (both).
 */
import { DEBIAN_IMAGE_NEEDS } from "../tests/_support/debian_image.ts";
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady, chosen, readOptions, runBenchmark, write } from "./_benchmark.ts";
import { contendersFor, type Work, WORK_NEEDS, WORK_TITLES } from "./_contenders.ts";
import { measure } from "./_measure.ts";
import { type PushedImage, pushImage } from "./_pushed_image.ts";
import { CASES } from "./_recipes.ts";
import { COMPARISON_HEAD, formatComparison, formatTable } from "./_tables.ts";
import { type Place, Workplace } from "./_workplace.ts";

const WORKS: readonly Work[] = ["pull", "unpack", "ready"];
const PLACES: readonly Place[] = ["tmpfs", "disk"];

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds, only, work, place = "both" } = readOptions(Deno.args, {
    only: CASES.map(({ name }) => name),
    work: WORKS,
    place: [...PLACES, "both"],
  });
  const recipes = chosen(CASES, only);
  const works = WORKS.filter((kind) => work === undefined || work === kind);
  assertReady([
    ...["docker-registry", "skopeo", "time"],
    ...works.flatMap((kind) => WORK_NEEDS[kind]),
    ...recipes.some(({ content }) => content.kind === "debian") ? DEBIAN_IMAGE_NEEDS : [],
  ]);
  await using registry = await dockerRegistry();
  const images: PushedImage[] = [];
  for (const recipe of recipes) {
    signal.throwIfAborted();
    images.push(await pushImage(recipe, registry.host));
  }
  await write(
    `Medians; rounds: ${rounds}; cores: ${navigator.hardwareConcurrency}. A ratio divides our ` +
      "time by theirs. Peak memory is that of the largest single process, including children such " +
      "as podman's; concurrent processes are not added up.\n",
  );
  for (const kind of PLACES.filter((kind) => place === "both" || place === kind)) {
    for (const image of images) {
      await using workplace = await Workplace.open(kind);
      await write(await compare(image, workplace, works, { rounds, signal }) + "\n");
    }
  }
}

/** Returns the table of an image. */
async function compare(
  image: PushedImage,
  place: Workplace,
  works: readonly Work[],
  options: { readonly rounds: number; readonly signal: AbortSignal },
): Promise<string> {
  const rows: string[][] = [];
  for (const work of works) {
    const measurements = await measure(contendersFor(work, image, place), options);
    formatComparison(measurements).forEach((row, i) => {
      rows.push([i === 0 ? WORK_TITLES[work] : "", ...row]);
    });
  }
  return formatTable(["", `${image.recipe.title}, ${place.title}`, ...COMPARISON_HEAD], rows);
}
