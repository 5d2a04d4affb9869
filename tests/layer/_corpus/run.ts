import {
  applyLayers,
  type ExtractReport,
  type StackingExtractorOptions,
} from "../../../layer/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import type { LayerCase } from "./case.ts";

/** Result of a case. */
export interface CaseOutcome {
  /** The tree, with the root if the case describes it. */
  readonly tree: Readonly<Record<string, string>>;
  /** Error of the extraction, if it failed. */
  readonly error: unknown;
  readonly report: ExtractReport | undefined;
  /** Content next to the root, before and after. */
  readonly outside: readonly [before: unknown, after: unknown];
}

/** A directory for a root, with a tree next to it that must not change. */
export interface CaseBox extends AsyncDisposable {
  readonly root: string;
  readonly outside: string;
  /** Everything next to the root, in full detail. */
  readOutside(): Promise<unknown>;
}

/** Makes an empty root and the sentinel next to it. */
export async function makeCaseBox(): Promise<CaseBox> {
  const temp: TempDir = await makeTempDir({ large: true });
  const outside = temp.join("outside");
  const root = temp.join("root");
  await Deno.mkdir(root);
  await Deno.chmod(root, 0o755);
  await Deno.mkdir(outside);
  await Deno.writeTextFile(`${outside}/secret`, "do not touch", { mode: 0o600 });
  await Deno.mkdir(`${outside}/empty`);
  await Deno.symlink("secret", `${outside}/link`);
  return {
    root,
    outside,
    // Includes the box itself, whose only entries are the root and the sentinel.
    readOutside: async () => [
      Object.fromEntries(readTree(outside)),
      (await Array.fromAsync(Deno.readDir(temp.path))).map(({ name }) => name).sort(),
      await statusOf(temp.path),
    ],
    [Symbol.asyncDispose]: () => temp[Symbol.asyncDispose](),
  };
}

async function statusOf(path: string): Promise<unknown> {
  const { mode, uid, gid, nlink, mtime } = await Deno.stat(path);
  return { mode, uid, gid, nlink, mtime };
}

/** The archives of a case. */
export function layersOf({ layers }: LayerCase, outside: string): readonly Uint8Array[] {
  return typeof layers === "function" ? layers(outside) : layers;
}

/** Runs a case through this package. */
export async function runCase(
  test: LayerCase,
  options: StackingExtractorOptions,
): Promise<CaseOutcome> {
  await using box = await makeCaseBox();
  const before = await box.readOutside();
  let report: ExtractReport | undefined;
  let error: unknown;
  try {
    const layers = fromLayers(layersOf(test, box.outside));
    report = await applyLayers(layers, box.root, { ...test.options, ...options });
  } catch (thrown) {
    error = thrown;
  }
  const withRoot = test.tree !== undefined && "." in test.tree;
  return {
    tree: describeTree(readTree(box.root), withRoot),
    error,
    report,
    outside: [before, await box.readOutside()],
  };
}
