import { assert, assertEquals } from "@std/assert";
import { readLayerIndex } from "../../../store/entries/layer_entries.ts";
import { storedLayer } from "../../../store/images/image.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { fakeLayers, makeUnpackBox } from "../unpacking/_unpack_box.ts";
import { listed } from "./_listing.ts";

Deno.test("LayerIndex.at() rarely searches for paths that it lacks", async () => {
  await using box = await makeUnpackBox();
  const names = Array.from({ length: 1000 }, (_, i) => `${i}-é`);
  const layers = fakeLayers([tar(dir("a"), ...names.map((name) => file(`a/${name}`, name)))]);
  await listed(box.store, layers);
  const [{ descriptor, diffId } = { descriptor: undefined, diffId: undefined }] = layers;
  assert(descriptor !== undefined);
  const index = await readLayerIndex(box.store, storedLayer(box.store, descriptor, diffId));
  assert(index !== undefined);
  for (const name of names) index.at(name);
  let reads = 0;
  const { pathOf } = index;
  index.pathOf = (number) => {
    reads++;
    return pathOf.call(index, number);
  };

  const missing = names.filter((name) => index.at(`b/${name}`) === undefined);

  assertEquals(missing, names);
  assert(reads < 3 * names.length, `${reads} paths read`);
  assert(names.every((name) => index.at(`a/${name}`)?.type === "file"));
  assertEquals([index.at("")?.type, index.at("a")?.type], ["directory", "directory"]);
});
