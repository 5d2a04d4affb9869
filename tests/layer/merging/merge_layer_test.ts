import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { mergeLayer } from "../../../layer/merging/merge_layer.ts";
import { stageLayer } from "../../../layer/merging/staged_layer.ts";
import {
  applyLayers,
  extractLayer,
  type ExtractLayerOptions,
  type TreeBackend,
} from "../../../layer/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { CORPUS } from "../_corpus/mod.ts";
import { layersOf } from "../_corpus/run.ts";

/** Result of an extraction: a tree, or the name of an error. */
interface Outcome {
  readonly tree?: Readonly<Record<string, string>>;
  readonly error?: string;
  /** Number of layers that could be merged. */
  readonly merged: number;
}

async function outcomeOf(
  root: string,
  extract: () => Promise<number>,
): Promise<Outcome> {
  try {
    const merged = await extract();
    return { tree: describeTree(readTree(root)), merged };
  } catch (error) {
    return { error: (error as Error).name, merged: 0 };
  }
}

/** Extracts the layers over each other. */
async function stacked(
  archives: readonly Uint8Array[],
  options: ExtractLayerOptions,
): Promise<Outcome> {
  await using temp = await makeTempDir({ large: true });
  const root = temp.join("root");
  return await outcomeOf(root, async () => {
    await applyLayers(fromLayers(archives), root, options);
    return 0;
  });
}

/** Extracts each layer by itself and merges it; otherwise, extracts it over the others. */
async function merged(
  archives: readonly Uint8Array[],
  options: ExtractLayerOptions,
): Promise<Outcome> {
  await using temp = await makeTempDir({ large: true });
  const root = temp.join("0");
  return await outcomeOf(root, async () => {
    let count = 0;
    const layers = fromLayers(archives);
    const staged = await Promise.all(
      layers.slice(1).map(async (layer, i) => {
        const stream = await layer.compressed();
        const directory = temp.join(`${i + 1}`);
        return await stageLayer((staging) => extractLayer(stream, directory, staging), options);
      }),
    );
    await applyLayers(layers.slice(0, 1), root, options);
    for (const [i, layer] of staged.entries()) {
      using tree = openFileTree(temp.path, options);
      if (layer !== undefined && mergeLayer(tree, `${i + 1}`, "0", layer)) count++;
      else await applyLayers(layers.slice(i + 1, i + 2), root, options);
    }
    return count;
  });
}

const BACKENDS: readonly TreeBackend[] = ["native", "pure"];
const CASES = Object.values(CORPUS).flat().filter(({ options = {}, only }) => {
  return only === undefined && !options.keepDirlinks && !options.whiteouts && !options.handler;
});

for (const backend of BACKENDS) {
  for (const test of CASES) {
    rootTest({
      name: `mergeLayer() with the ${backend} backend equals extraction in place: ${test.name}`,
      fn: async () => {
        await using outside = await makeTempDir();
        const archives = layersOf(test, outside.path);
        const { ownership, xattrs } = test.options ?? {};
        const options = { backend, ownership, xattrs };

        const { tree, error } = await merged(archives, options);

        const expected = await stacked(archives, options);
        assertEquals({ tree, error }, { tree: expected.tree, error: expected.error });
      },
    });
  }
}

const NAMES = fc.constantFrom("a", "b", "c", "a/b", "a/c", "b/a", "b/c", "a/b/c", "a/b/a", "b/a/b");
const TARGETS = fc.constantFrom("a", "/b", "../c", "a/b", "/a/b", ".", "b/../a");
const METADATA = fc.record({
  mode: fc.constantFrom(0o755, 0o700, 0o1777),
  mtime: fc.constantFrom(0, 1, 1_600_000_000),
  uid: fc.constantFrom(0, 3),
});

/** Entries that conflict as often as possible. */
const ENTRY = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(NAMES, METADATA).map(([name, meta]) => dir(name, meta)) },
  { weight: 5, arbitrary: fc.tuple(NAMES, fc.string()).map(([name, text]) => file(name, text)) },
  { weight: 2, arbitrary: fc.tuple(NAMES, TARGETS).map(([name, to]) => symlink(name, to)) },
  { weight: 1, arbitrary: fc.tuple(NAMES, NAMES).map(([name, to]) => hardlink(name, to)) },
  { weight: 2, arbitrary: NAMES.map((name) => whiteout(name)) },
  { weight: 1, arbitrary: fc.oneof(NAMES, fc.constant("")).map((name) => opaque(name)) },
);
const LAYER = fc.array(ENTRY, { maxLength: 8 });

for (const backend of BACKENDS) {
  rootTest({
    name: `mergeLayer() with the ${backend} backend equals extraction in place for any layers`,
    fn: async () => {
      let count = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(LAYER, { minLength: 2, maxLength: 4 }), async (layers) => {
          const archives = layers.map((entries) => tar(...entries));

          const { tree, error, merged: mergedCount } = await merged(archives, { backend });

          const expected = await stacked(archives, { backend });
          assertEquals({ tree, error }, { tree: expected.tree, error: expected.error });
          count += mergedCount;
        }),
        { numRuns: 100 },
      );
      // Otherwise merging would not be tested.
      assertEquals(count > 30, true, `only ${count} layers were merged`);
    },
  });
}

rootTest({
  name: "mergeLayer() equals extraction in place if an entry describes a directory through a link",
  fn: async () => {
    const archives = [
      tar(file("b/a/b", "")),
      tar(symlink("a", "."), symlink("b/c", "a"), dir("a/b", { mtime: 1 })),
    ];

    const { tree } = await merged(archives, {});

    assertEquals(tree, (await stacked(archives, {})).tree);
    assertEquals(tree?.["b"], "dir @1");
  },
});

rootTest({
  name: "mergeLayer() equals extraction in place if a whiteout is below a link that is replaced",
  fn: async () => {
    const archives = [
      tar(file("b/c", "")),
      tar(symlink("a", "b"), whiteout("a/c"), dir("a")),
    ];

    const { tree } = await merged(archives, {});

    assertEquals(tree, (await stacked(archives, {})).tree);
  },
});

rootTest({
  name: "mergeLayer() merges directories of two thousand levels",
  fn: async () => {
    const path = "a/".repeat(2046);
    const archives = [tar(file(`${path}f`, "")), tar(file(`${path}g`, ""))];

    const { error, merged: count } = await merged(archives, { backend: "native" });

    assertEquals([error, count], [undefined, 1]);
  },
});
