/**
 * `deno task bench:warm`: commands on an image that is already in the store. `run` is compared with
 * `podman run` and with the runtime alone; commands that only read, with `oci version`. Needs
 * root, Debian's `docker-registry`, `skopeo`, `podman`, `crun` and `time`, and what the Debian
 * image needs. `--rounds N` (5).
 */
import { DEBIAN_IMAGE_NEEDS } from "../tests/_support/debian_image.ts";
import { dockerRegistry } from "../tests/_support/docker_registry.ts";
import { assertReady, readOptions, runBenchmark, write } from "./_benchmark.ts";
import { type Contender, measure, type Measurement } from "./_measure.ts";
import { pushImage } from "./_pushed_image.ts";
import type { Recipe } from "./_recipes.ts";
import { OCI, shell } from "./_shell.ts";
import { FIGURES_HEAD, formatFigures, formatTable, printComparison } from "./_tables.ts";
import { Workplace } from "./_workplace.ts";

const RECIPE: Recipe = { name: "debian", title: "Debian", content: { kind: "debian" } };

/** crun refuses a machine with both versions of control groups, so hide version 2. */
const ISOLATED = `unshare -m sh -c 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"' sh`;

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds } = readOptions(Deno.args, {});
  assertReady(["docker-registry", "podman", "crun", "time", ...DEBIAN_IMAGE_NEEDS]);
  await using place = await Workplace.open("tmpfs");
  const reference = await fill(place);
  try {
    await printComparison("warm", runners(reference, place), { rounds, signal });
    const reading = await measure(readers(reference, place), { rounds, signal });
    await write(
      formatTable(["warm", ...FIGURES_HEAD, "of `oci version`"], formatShares(reading)) + "\n",
    );
  } finally {
    await shell(`${OCI} unbundle --quiet ${store(place)} ${place.join("bundle")}`);
  }
}

/** Pulls the image with each tool, and makes a bundle of it. */
async function fill(place: Workplace): Promise<string> {
  await using registry = await dockerRegistry();
  const { reference } = await pushImage(RECIPE, registry.host);
  await shell(`${OCI} pull --quiet ${store(place)} ${reference}`);
  await shell(`${place.podman} pull -q --tls-verify=false ${reference}`);
  await shell(
    `${OCI} bundle --quiet ${store(place)} --entrypoint /bin/true ${reference} ${
      place.join("bundle")
    }`,
  );
  return reference;
}

function runners(reference: string, place: Workplace): readonly Contender[] {
  const oci = `${OCI} run --quiet ${store(place)}`;
  return [
    { name: "`oci run`", ours: true, command: `${ISOLATED} ${oci} ${reference} /bin/true` },
    { name: "`oci version`", command: `${ISOLATED} ${OCI} version` },
    {
      name: "`crun run`",
      command: `${ISOLATED} crun run --bundle ${place.join("bundle")} bench-$$`,
    },
    {
      name: "`podman run`",
      command:
        `${ISOLATED} ${place.podman} run --rm --pull never --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 ${reference} /bin/true`,
    },
  ];
}

function readers(reference: string, place: Workplace): readonly Contender[] {
  const root = place.join("root");
  const commands = {
    "version": "version",
    "pull": `pull --quiet ${store(place)} ${reference}`,
    "cat": `cat ${store(place)} ${reference} /etc/os-release`,
    "ls /etc": `ls ${store(place)} ${reference} /etc`,
    "ls": `ls ${store(place)} ${reference}`,
    "unpack": `unpack --quiet ${store(place)} ${reference} ${root}`,
  };
  return Object.entries(commands).map(([name, command]) => ({
    name: `\`oci ${name}\``,
    command: `${OCI} ${command}`,
    prepare: async () => void await shell(`rm -rf ${root}`),
  }));
}

function store(place: Workplace): string {
  return `--store ${place.join("store")}`;
}

/** Returns a row for each contender: its name, its figures, and its time relative to the first. */
function formatShares(measurements: readonly Measurement[]): readonly string[][] {
  const [first] = measurements;
  return measurements.map((measured) => {
    const share = first === undefined ? "" : (measured.seconds / first.seconds).toFixed(1);
    return [measured.contender.name, ...formatFigures(measured), share];
  });
}
