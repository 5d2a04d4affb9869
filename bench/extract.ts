/**
 * `deno run -A bench/extract.ts`: tar archives in memory extracted by one thread, against GNU
 * tar. Needs GNU tar and GNU time. `--rounds N` (5).
 */
import { parseArgs } from "node:util";
import { ensureDir } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { shell } from "./_images.ts";
import { type Contender, formatTable, measure } from "./_measure.ts";

const ONCE = fromFileUrl(new URL("./_extract_once.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));
const LARGE_BYTES = 390e6;
const SMALL_FILES = 12_000;

if (import.meta.main) await main();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: "string", default: "5" } } });
  const work = await Deno.makeTempDir({ dir: "/dev/shm", prefix: "oci-bench-" });
  try {
    const archives = [
      ["what /usr has, 390 MB", await largeArchive(work)],
      ["12 000 small files", await smallArchive(work)],
      ["nothing: how long it takes to start", await emptyArchive(work)],
    ] as const;
    for (const [title, archive] of archives) {
      const measured = await measure(
        contenders(archive, join(work, "root")),
        Number(values.rounds),
      );
      await Deno.stdout.write(new TextEncoder().encode(`${formatTable(title, measured)}\n\n`));
    }
  } finally {
    await Deno.remove(work, { recursive: true });
  }
}

function contenders(archive: string, root: string): readonly Contender[] {
  const prepare = async () => {
    await Deno.remove(root, { recursive: true }).catch(() => {});
  };
  const ours = (backend: string): Contender => ({
    name: `oci, ${backend} backend`,
    command: `deno run -A --config '${CONFIG}' '${ONCE}' '${archive}' '${root}' ${backend}`,
    prepare,
  });
  const tar = `mkdir '${root}' && tar --numeric-owner -C '${root}' -xf '${archive}'`;
  return [ours("native"), { name: "tar -xf", command: tar, prepare }, ours("pure")];
}

async function largeArchive(work: string): Promise<string> {
  const archive = join(work, "large.tar");
  const names = join(work, "names");
  const list = await shell("find /usr -xdev -printf '%y %s %P\\n' | LC_ALL=C sort -k3");
  const paths: string[] = [];
  let total = 0;
  for (const line of list.split("\n")) {
    const [type = "", size = "0", ...rest] = line.split(" ");
    if (rest.length === 0 || !["d", "f", "l"].includes(type)) continue;
    if (type === "f") total += Number(size);
    if (total > LARGE_BYTES) break;
    paths.push(`usr/${rest.join(" ")}`);
  }
  await Deno.writeTextFile(names, paths.join("\n"));
  await shell(`tar --no-recursion -C / -T '${names}' -cf '${archive}'`);
  return archive;
}

async function smallArchive(work: string): Promise<string> {
  const archive = join(work, "small.tar");
  const root = join(work, "small");
  for (let i = 0; i < SMALL_FILES; i++) {
    const directory = join(root, `d${Math.floor(i / 100)}`);
    if (i % 100 === 0) await ensureDir(directory);
    await Deno.writeTextFile(join(directory, `file-${i}.txt`), `${i} `.repeat(1 + i % 200));
  }
  await shell(`tar --sort=name -C '${root}' -cf '${archive}' .`);
  await Deno.remove(root, { recursive: true });
  return archive;
}

async function emptyArchive(work: string): Promise<string> {
  const archive = join(work, "empty.tar");
  await Deno.writeFile(archive, new Uint8Array(1024));
  return archive;
}
