import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { LimitError } from "../../../spec/errors.ts";
import { StoreFileError, UntrustedStoreError } from "../../../store/mod.ts";
import { LayerDrafts } from "../../../store/overlay/_layer_drafts.ts";
import { type ExtractedLayer, findLayer } from "../../../store/overlay/extracted_layer.ts";
import { makeTempDir } from "../../_support/temp.ts";
import {
  assertUntouched,
  PLANTED_DIRECTORIES,
  PLANTED_FILES,
  plantedTest,
  SECRET,
} from "../_planted.ts";

const KEY = "layer sha256:0 test";
const RECORD = { opaqueRoot: false, describesRoot: true };

/** A store with an extracted layer, and an empty directory next to it. */
async function makeStore() {
  const directory = await makeTempDir();
  const [path, aside] = [directory.join("store"), directory.join("aside")];
  await Deno.mkdir(aside);
  const layer = await extract(path);
  return { path, aside, layer, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

/** Finds the layer, or extracts it. */
async function extract(store: string): Promise<ExtractedLayer> {
  const found = findLayer(`${store}/chains`, KEY) ??
    await new LayerDrafts(store).begin(KEY, undefined);
  if (!("publish" in found)) return found;
  await using draft = found;
  await Deno.mkdir(draft.path);
  await Deno.writeTextFile(`${draft.path}/file`, "of the layer");
  return await draft.publish(RECORD);
}

Deno.test("findLayer() finds a published layer", async () => {
  await using test = await makeStore();

  assertEquals(findLayer(`${test.path}/chains`, KEY), test.layer);
});

plantedTest(
  PLANTED_FILES,
  (what) => `LayerDrafts refuses ${what} in place of a record`,
  async ({ plant }) => {
    await using test = await makeStore();
    const record = `${test.layer.path}.json`;
    await Deno.remove(record);
    await plant(record, test.aside);

    const error = await assertRejects(() => extract(test.path), StoreFileError);

    assertEquals(error.path, record);
    await assertUntouched(test.aside);
  },
);

Deno.test.each(["null", "[]", "7", "", "{", "{}", '{"key":7}', `{"key":"${KEY}"}`])(
  "LayerDrafts extracts a layer again if its record is %s",
  async (text) => {
    await using test = await makeStore();
    await Deno.writeTextFile(`${test.layer.path}.json`, text);

    const layer = await extract(test.path);

    assert(layer.name !== test.layer.name);
    assertEquals((await extract(test.path)).name, layer.name);
  },
);

Deno.test("LayerDrafts refuses a sparse record of 1 TiB", async () => {
  await using test = await makeStore();
  await Deno.truncate(`${test.layer.path}.json`, 2 ** 40);

  await assertRejects(() => extract(test.path), LimitError, `${test.layer.name}.json`);
});

for (
  const [what, plant] of [
    ["a symlink to a directory", (path: string, aside: string) => Deno.symlink(aside, path)],
    ["a file", (path: string) => Deno.writeTextFile(path, "")],
  ] as const
) {
  Deno.test(`LayerDrafts refuses ${what} in place of a layer`, async () => {
    await using test = await makeStore();
    await Deno.remove(test.layer.path, { recursive: true });
    await plant(test.layer.path, test.aside);

    await assertRejects(() => extract(test.path), StoreFileError, test.layer.path);
  });

  Deno.test(`LayerDrafts removes ${what} in place of a draft, but not its target`, async () => {
    await using test = await makeStore();
    await Deno.remove(test.layer.path, { recursive: true });
    await Deno.writeTextFile(`${test.aside}/secret`, SECRET);
    for (const suffix of [".new", ".new.work", ".new.view"]) {
      await plant(`${test.layer.path}${suffix}`, test.aside);
    }

    await extract(test.path);

    assertEquals(await exists(`${test.aside}/secret`), true);
    await assertUntouched(test.aside);
  });
}

for (const folder of ["chains", "locks"]) {
  plantedTest(
    PLANTED_DIRECTORIES,
    (what) => `LayerDrafts refuses ${what} at ${folder}`,
    async ({ plant }) => {
      await using test = await makeStore();
      await Deno.remove(`${test.path}/chains`, { recursive: true });
      await Deno.remove(`${test.path}/locks`, { recursive: true });
      await plant(`${test.path}/${folder}`, test.aside);

      await assertRejects(() => extract(test.path), UntrustedStoreError, `${test.path}/${folder}`);

      await assertUntouched(test.aside);
    },
  );
}

Deno.test("LayerDrafts has a layer extracted once by concurrent callers", async () => {
  await using directory = await makeTempDir();
  for (let round = 0; round < 5; round++) {
    const store = directory.join(String(round));

    const layers = await Promise.all(Array.from({ length: 8 }, () => extract(store)));

    assertEquals(new Set(layers.map(({ name }) => name)).size, 1);
    assertEquals((await Array.fromAsync(Deno.readDir(`${store}/chains`))).length, 2);
  }
});
