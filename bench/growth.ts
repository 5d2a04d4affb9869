/**
 * `deno task bench:growth`: time and memory of `oci pull` and `oci unpack`, from a registry on the
 * loopback, for images with 1, 2, 4 and 8 times the bytes, entries and layers. Time should grow in
 * proportion, and memory should not grow. Needs root, docker-registry, skopeo and GNU time.
 * `--rounds N` (5), `--only bytes|entries|layers`, `--most 1|2|4|8` (8), `--place tmpfs|disk`
 * (tmpfs).
 */
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady, chosen, readOptions, runBenchmark, write } from "./_benchmark.ts";
import { contendersFor } from "./_contenders.ts";
import { type Contender, type Figures, measure, type MeasureOptions } from "./_measure.ts";
import { type PushedImage, pushImage } from "./_pushed_image.ts";
import { type Growth, GROWTHS } from "./_recipes.ts";
import { OCI } from "./_shell.ts";
import { FIGURES_HEAD, formatFigures, formatTable } from "./_tables.ts";
import { type Place, Workplace } from "./_workplace.ts";

const FACTORS = [1, 2, 4, 8];
const HEAD = [...FIGURES_HEAD, "wall ×", "CPU ×", "wall less start-up ×", "CPU less start-up ×"];

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds, only, most = "8", place = "tmpfs" } = readOptions(Deno.args, {
    only: GROWTHS.map(({ name }) => name),
    most: FACTORS.map(String),
    place: ["tmpfs", "disk"] satisfies readonly Place[],
  });
  assertReady(["docker-registry", "skopeo", "time"]);
  const factors = FACTORS.filter((factor) => factor <= Number(most));
  await write(
    `Medians; rounds: ${rounds}; cores: ${navigator.hardwareConcurrency}. × is relative to the ` +
      "first row; the start-up is the time of `oci version`.\n",
  );
  for (const growth of chosen(GROWTHS, only)) {
    await using workplace = await Workplace.open(place as Place);
    await write(await grow(growth, factors, workplace, { rounds, signal }) + "\n");
  }
}

/** Returns the table of a way to grow. */
async function grow(
  growth: Growth,
  factors: readonly number[],
  place: Workplace,
  options: MeasureOptions,
): Promise<string> {
  await using registry = await dockerRegistry();
  const images = await pushImages(growth, factors, registry.host, options);
  const rows: string[][] = [];
  for (const work of ["pull", "unpack"] as const) {
    const contenders: Contender[] = [{ name: "start-up", command: `${OCI} version` }];
    for (const image of images) contenders.push(...contendersFor(work, image, place).slice(0, 1));
    const [startUp, ...measured] = await measure(contenders, options);
    measured.forEach((figures, i) => {
      rows.push([
        i === 0 ? figures.contender.name : "",
        `${factors[i]}×`,
        ...formatFigures(figures),
        ...multiples(figures, measured[0]),
        ...multiples(less(figures, startUp), measured[0] && less(measured[0], startUp)),
      ]);
    });
    if (startUp) rows.push(["", "start-up", ...formatFigures(startUp)]);
  }
  return formatTable(["", `${growth.title}, ${place.title}`, ...HEAD], rows);
}

/** Makes images for this benchmark only, and removes them as soon as the registry has them. */
async function pushImages(
  growth: Growth,
  factors: readonly number[],
  host: string,
  { signal }: MeasureOptions,
): Promise<readonly PushedImage[]> {
  await using layouts = await Workplace.open("tmpfs");
  const images: PushedImage[] = [];
  for (const factor of factors) {
    signal?.throwIfAborted();
    const name = `${growth.name}-${factor}`;
    const recipe = { name, title: growth.title, content: growth.content(factor) };
    images.push(await pushImage(recipe, host, { cache: layouts.path }));
  }
  return images;
}

function less(figures: Figures, startUp: Figures | undefined): Figures {
  return {
    ...figures,
    seconds: figures.seconds - (startUp?.seconds ?? 0),
    cpuSeconds: figures.cpuSeconds - (startUp?.cpuSeconds ?? 0),
  };
}

function multiples(figures: Figures, first: Figures = figures): readonly string[] {
  return [figures.seconds / first.seconds, figures.cpuSeconds / first.cpuSeconds]
    .map((multiple) => `${multiple.toFixed(2)}×`);
}
