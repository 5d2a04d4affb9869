/**
 * `deno task bench:extract`: tar archives in memory extracted by one thread, against GNU tar. Needs
 * root and GNU time. `--rounds N` (5).
 */
import { fromFileUrl, join } from "@std/path";
import { assertReady, readOptions, runBenchmark } from "./_benchmark.ts";
import type { Contender } from "./_measure.ts";
import { shell } from "./_shell.ts";
import { printComparison } from "./_tables.ts";
import { listUsr, takePaths, writeSmallFiles } from "./_trees.ts";
import { Workplace } from "./_workplace.ts";

const ONCE = fromFileUrl(new URL("./_extract_once.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../deno.json", import.meta.url));
const LARGE_BYTES = 390e6;
const SMALL_FILES = 12_000;

if (import.meta.main) await runBenchmark(main);

async function main(signal: AbortSignal): Promise<void> {
  const { rounds } = readOptions(Deno.args, {});
  assertReady(["tar", "time"]);
  await using workplace = await Workplace.open("tmpfs");
  const archives = [
    ["390 MB of /usr", await largeArchive(workplace.path)],
    ["12,000 small files", await smallArchive(workplace.path)],
    ["nothing: start-up only", await emptyArchive(workplace.path)],
  ] as const;
  for (const [title, archive] of archives) {
    await printComparison(title, contenders(archive, workplace.join("root")), { rounds, signal });
  }
}

function contenders(archive: string, root: string): readonly Contender[] {
  const prepare = async () => {
    await shell(`rm -rf '${root}'`);
  };
  const backend = (name: string) => ({
    name: `oci, ${name} backend`,
    command:
      `${Deno.execPath()} run -A --config '${CONFIG}' '${ONCE}' '${archive}' '${root}' ${name}`,
    prepare,
  });
  const tar = `mkdir '${root}' && tar --numeric-owner -C '${root}' -xf '${archive}'`;
  return [
    { ...backend("native"), ours: true },
    { name: "`tar -xf`", command: tar, prepare },
    backend("pure"),
  ];
}

async function largeArchive(work: string): Promise<string> {
  const archive = join(work, "large.tar");
  const names = join(work, "names");
  await Deno.writeTextFile(names, takePaths(await listUsr(), LARGE_BYTES).join("\n"));
  await shell(`tar --no-recursion -C / -T '${names}' -cf '${archive}'`);
  return archive;
}

async function smallArchive(work: string): Promise<string> {
  const archive = join(work, "small.tar");
  const root = join(work, "small");
  await writeSmallFiles(root, SMALL_FILES, 100);
  await shell(`tar --sort=name -C '${root}' -cf '${archive}' .`);
  await Deno.remove(root, { recursive: true });
  return archive;
}

async function emptyArchive(work: string): Promise<string> {
  const archive = join(work, "empty.tar");
  await Deno.writeFile(archive, new Uint8Array(1024));
  return archive;
}
