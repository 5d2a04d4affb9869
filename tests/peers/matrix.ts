/**
 * `deno run -A tests/peers/matrix.ts [GROUP…]`, as root: runs every case of the layer corpus
 * through umoci, GNU tar, bsdtar and both backends, and prints which tool gets which case right.
 *
 * Everything but the directory of a case is read-only for the peers, because some cases would
 * change the machine if a peer failed them.
 */
import { buildImage } from "../_support/image.ts";
import { programPath, writeLayout } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { describeTree, readTree } from "../_support/tree.ts";
import { CORPUS, type LayerCase } from "../layer/_corpus/mod.ts";
import { layersOf, makeCaseBox, runCase } from "../layer/_corpus/run.ts";

/** Result of a contender for a case. */
type Verdict = "right" | "wrong" | "ESCAPE" | "-";

interface Contender {
  readonly name: string;
  judge(test: LayerCase): Promise<Verdict>;
}

/** The tree that a program left; `undefined` if it failed. */
type Tree = Readonly<Record<string, string>> | undefined;

/** Everything is read-only except other mounts, such as `/dev/shm`. */
const SANDBOX = [
  "mount --make-rprivate /",
  "mount --bind / /",
  "mount -o remount,bind,ro /",
  'exec "$@"',
].join(" && ");

if (import.meta.main) await main(Deno.args);

async function main(groups: readonly string[]): Promise<void> {
  const contenders = [
    ours("native"),
    ours("pure"),
    ...programPath("umoci") ? [umoci()] : [],
    ...programPath("tar") ? [tarLike("tar", ["--xattrs", "--xattrs-include=*", "--acls"])] : [],
    ...programPath("bsdtar") ? [tarLike("bsdtar", ["--xattrs", "--acls"])] : [],
  ];
  const names = contenders.map(({ name }) => name);
  const lines = [row(["case", ...names]), row(["---", ...names.map(() => "---")])];
  const totals = names.map(() => 0);
  let count = 0;
  for (const [group, cases] of Object.entries(CORPUS)) {
    if (groups.length > 0 && !groups.includes(group)) continue;
    for (const test of cases) {
      const verdicts: Verdict[] = [];
      for (const contender of contenders) verdicts.push(await contender.judge(test));
      verdicts.forEach((verdict, i) =>
        totals[i] = (totals[i] ?? 0) + (verdict === "right" ? 1 : 0)
      );
      lines.push(row([`${group}: ${test.name}`, ...verdicts]));
      count++;
    }
  }
  lines.push(row([`right, of ${count}`, ...totals.map(String)]));
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => JSON.stringify(cell).slice(1, -1)).join(" | ")} |`;
}

function ours(backend: "native" | "pure"): Contender {
  return {
    name: backend,
    async judge(test) {
      if (test.only !== undefined && test.only !== backend) return "-";
      const { tree, error, outside } = await runCase(test, { backend });
      if (JSON.stringify(outside[0]) !== JSON.stringify(outside[1])) return "ESCAPE";
      return isRight(test, error === undefined ? tree : undefined) ? "right" : "wrong";
    },
  };
}

function umoci(): Contender {
  return {
    name: "umoci",
    judge: (test) => {
      const { keepDirlinks, ...others } = test.options ?? {};
      if (Object.keys(others).length > 0) return Promise.resolve("-");
      const flags = keepDirlinks ? ["--keep-dirlinks"] : [];
      return judgePeer(test, async (layers, box) => {
        await writeLayout(`${box}/layout`, { x: buildImage({ layers }) });
        const image = ["--image", `${box}/layout:x`, `${box}/bundle`];
        if (!await sandboxed("umoci", ["unpack", ...flags, ...image])) return undefined;
        return `${box}/bundle/rootfs`;
      });
    },
  };
}

function tarLike(program: string, flags: readonly string[]): Contender {
  return {
    name: program,
    judge: (test) => {
      if (test.options !== undefined) return Promise.resolve("-");
      return judgePeer(test, async (layers, box) => {
        for (const [i, layer] of layers.entries()) {
          await Deno.writeFile(`${box}/${i}.tar`, layer);
          const place = ["-C", `${box}/root`, "-xpf", `${box}/${i}.tar`];
          if (!await sandboxed(program, [...flags, "--numeric-owner", ...place])) return undefined;
        }
        return `${box}/root`;
      });
    },
  };
}

/** Runs a peer on a case; `extract` gives the directory that holds the tree, if it succeeds. */
async function judgePeer(
  test: LayerCase,
  extract: (layers: readonly Uint8Array[], box: string) => Promise<string | undefined>,
): Promise<Verdict> {
  await using place = await makeCaseBox();
  const box = place.root.replace(/\/root$/, "");
  const before = JSON.stringify(Object.fromEntries(readTree(place.outside)));
  const root = await extract(layersOf(test, place.outside), box);
  const after = JSON.stringify(Object.fromEntries(readTree(place.outside)));
  if (after !== before) return "ESCAPE";
  const withRoot = test.tree !== undefined && "." in test.tree;
  const tree = root === undefined ? undefined : describeTree(readTree(root), withRoot);
  return isRight(test, tree) ? "right" : "wrong";
}

function isRight(test: LayerCase, tree: Tree): boolean {
  if (test.error !== undefined) return tree === undefined;
  if (test.tree === undefined) return true;
  if (tree === undefined) return false;
  const paths = new Set([...Object.keys(test.tree), ...Object.keys(tree)]);
  return [...paths].every((path) => {
    const wanted = test.tree?.[path];
    // The modification time of a directory without an entry is not specified.
    return wanted === tree[path] ||
      (wanted?.startsWith("dir @0") && tree[path]?.replace(/@[\d.]+/, "@0") === wanted);
  });
}

async function sandboxed(program: string, args: readonly string[]): Promise<boolean> {
  const shell = ["-m", "sh", "-c", SANDBOX, "sh", programPath(program) ?? program, ...args];
  const { code } = await run("unshare", shell);
  return code === 0;
}
