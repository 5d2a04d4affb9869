import { assert, assertEquals } from "@std/assert";
import type { LayerListing, ListedEntry } from "../../../store/entries/layer_listing.ts";
import { LayerMarks } from "../../../store/entries/layer_marks.ts";
import { LayerStack } from "../../../store/files/_layer_stack.ts";

Deno.test("LayerStack looks up a directory that many layers use once in each of them", async () => {
  const [layers, depth] = [60, 50];
  let count = 0;
  const directory: ListedEntry = {
    type: "directory",
    isUndescribed: true,
    target: "",
    offset: 0,
    nlink: 1,
    status: () => {
      throw new Error("not needed");
    },
    xattrs: () => new Map(),
    names: () => [],
    children: () => [],
  };
  const listing: LayerListing = {
    at(path) {
      count++;
      return path === "" || path.startsWith("d") ? directory : undefined;
    },
    marks: new LayerMarks(new Set(), new Set()),
    dependencies: [Array(depth).fill("d").join("/")],
  };

  const found = await new LayerStack(layers, () => Promise.resolve(listing)).find("none", false);

  assertEquals(found, undefined);
  assert(count < 10 * layers * depth, `${count} lookups`);
});
