import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { applyLayers, type TreeBackend } from "../../../layer/mod.ts";
import { OciError } from "../../../spec/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { dir, fifo, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { makeCaseBox } from "../_corpus/run.ts";

const name = fc.constantFrom("a", "b", "c", "outside", "secret");
const part = fc.oneof({ weight: 6, arbitrary: name }, {
  weight: 1,
  arbitrary: fc.constantFrom("..", ".", "", ".wh.a", ".wh..wh..opq", ".wh..wh.plnk", ".wh..."),
});
const path = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
const target = fc.oneof(
  path,
  path.map((path) => `/${path}`),
  path.map((path) => `../${path}`),
  fc.constantFrom("/", ".", "..", "../outside", "../../outside", "OUTSIDE", "OUTSIDE/secret"),
);
const mode = fc.constantFrom(0o755, 0o644, 0, 0o4777);

/** Creates an entry, given the meaning of `OUTSIDE`. */
const entry: fc.Arbitrary<(outside: string) => Uint8Array> = fc.oneof(
  fc.tuple(path, fc.string({ maxLength: 4 }), mode).map(([path, content, mode]) => () =>
    file(path, content, { mode })
  ),
  fc.tuple(path, mode).map(([path, mode]) => () => dir(path, { mode })),
  fc.tuple(path, target).map(([path, target]) => (outside: string) =>
    symlink(path, target.replace("OUTSIDE", outside))
  ),
  fc.tuple(path, target).map(([path, target]) => (outside: string) =>
    hardlink(path, target.replace("OUTSIDE", outside))
  ),
  path.map((path) => () => fifo(path)),
  path.map((path) => () => whiteout(path)),
  path.map((path) => () => opaque(path)),
);
const layers = fc.array(fc.array(entry, { minLength: 1, maxLength: 10 }), {
  minLength: 1,
  maxLength: 3,
});

/** Result of a backend: a tree, or the kind of error. */
async function outcome(
  backend: TreeBackend,
  entries: readonly (readonly ((outside: string) => Uint8Array)[])[],
): Promise<unknown> {
  await using box = await makeCaseBox();
  const archives = entries.map((layer) => tar(...layer.map((make) => make(box.outside))));
  const before = await box.readOutside();
  let error = "";
  try {
    await applyLayers(fromLayers(archives), box.root, { backend, ownership: "squash" });
  } catch (thrown) {
    if (!(thrown instanceof OciError)) throw thrown;
    error = thrown.name;
  }
  assertEquals(await box.readOutside(), before, "SOMETHING OUTSIDE THE ROOT WAS CHANGED");
  // The path of the box differs, and so do the targets of links to it.
  const tree = JSON.stringify(describeTree(readTree(box.root, { makeReadable: true }), false));
  return {
    error,
    tree: tree.replaceAll(box.outside, "OUTSIDE").replaceAll(/oci-test-\w+/g, "BOX"),
  };
}

Deno.test("applyLayers() never leaves the root, and both backends agree", async () => {
  await fc.assert(
    fc.asyncProperty(layers, async (layers) => {
      assertEquals(await outcome("pure", layers), await outcome("native", layers));
    }),
    { numRuns: 50 },
  );
});
