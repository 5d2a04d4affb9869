import { assert, assertRejects } from "@std/assert";
import type { LayerListing } from "../../../store/entries/layer_listing.ts";
import { LayerMarks } from "../../../store/entries/layer_marks.ts";
import { LayerStack } from "../../../store/files/_layer_stack.ts";
import { ImageFiles } from "../../../store/mod.ts";
import { dir, file, symlink, tar } from "../../_support/tar.ts";
import { fakeLayers, imageOf, makeUnpackBox } from "../unpacking/_unpack_box.ts";

/** Advances the time by a second whenever it is read. */
function hurryTime(): Disposable {
  const { now } = performance;
  let seconds = 0;
  performance.now = () => 1000 * seconds++;
  return {
    [Symbol.dispose]() {
      performance.now = now;
    },
  };
}

/** Returns a signal that aborts as soon as other tasks get a turn. */
function abortNext(): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new Error("stop")), 0);
  return controller.signal;
}

/** Lists a layer whose directories may be links in the layers below. */
function dependentLayer(count: number): { readonly listing: LayerListing; lookups: number } {
  const layer = {
    lookups: 0,
    listing: {
      at(path: string) {
        if (path !== "") layer.lookups++;
        return undefined;
      },
      marks: new LayerMarks(new Set(), new Set()),
      dependencies: Array.from({ length: count }, (_, i) => `d${i}`),
    },
  };
  return layer;
}

Deno.test("LayerStack stops a long lookup when it is aborted", async () => {
  using _ = hurryTime();
  const { listing } = dependentLayer(5000);
  const stack = new LayerStack(3, () => Promise.resolve(listing), abortNext());

  await assertRejects(() => stack.find("none", false), Error, "stop");
});

Deno.test("LayerStack resumes a lookup after the turn of other tasks", async () => {
  const count = async () => {
    const layer = dependentLayer(5000);
    await new LayerStack(4, () => Promise.resolve(layer.listing)).find("none", false);
    return layer.lookups;
  };
  const expected = await count();
  using _ = hurryTime();

  // Each interrupted lookup starts at the searched path again.
  assert(Math.abs(await count() - expected) < expected / 10);
});

Deno.test("ImageFiles.list() stops when it is aborted", async () => {
  await using box = await makeUnpackBox();
  const files = Array.from({ length: 3000 }, (_, i) => file(`${i}`));
  for (
    const layers of [
      fakeLayers([tar(...files)]),
      // Only an extraction of all layers shows the files.
      fakeLayers([tar(dir("a"), symlink("l", "a")), tar(file("l/b"), ...files)]),
    ]
  ) {
    const all = await Array.fromAsync(new ImageFiles(box.store, imageOf(layers)).list());
    using _ = hurryTime();
    const list = () => {
      const image = new ImageFiles(box.store, imageOf(layers), { signal: abortNext() });
      return Array.fromAsync(image.list());
    };

    assert(all.length >= files.length);
    await assertRejects(list, Error, "stop");
  }
});
