import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { applyLayers } from "../../../layer/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { dir, file, opaque, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";

const BACKENDS = ["native", "pure"] as const;
const SQUASH = { ownership: "squash" } as const;

// A model of layers, in which the order of whiteouts in a layer does not matter.

/** An entry of a layer, or a whiteout. */
type Step =
  | { readonly kind: "file"; readonly path: string; readonly content: string }
  | { readonly kind: "dir"; readonly path: string; readonly mode: number }
  | { readonly kind: "whiteout"; readonly path: string }
  | { readonly kind: "opaque"; readonly path: string };

const path = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("file"), path, content: fc.string() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("dir"),
      path,
      mode: fc.constantFrom(0o755, 0o700, 0o555),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("whiteout"), path }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("opaque"), path }) },
);
/** A layer in which each path has one entry, and no file is the parent of another entry. */
const layer = fc.uniqueArray(step, {
  selector: ({ kind, path }) => `${kind === "dir" ? "file" : kind} ${path}`,
  maxLength: 8,
}).filter((steps) =>
  steps.every((one) =>
    one.kind !== "file" || !steps.some(({ path }) => path.startsWith(`${one.path}/`))
  )
).filter((steps) =>
  // A whiteout in a file of the same layer would be a contradiction.
  steps.every((one) =>
    one.kind !== "opaque" ||
    !steps.some(({ kind, path }) =>
      kind === "file" && (path === one.path || one.path.startsWith(`${path}/`))
    )
  )
);

function toArchive(steps: readonly Step[]): Uint8Array {
  return tar(...steps.map((one) => {
    if (one.kind === "file") return file(one.path, one.content);
    if (one.kind === "dir") return dir(one.path, { mode: one.mode });
    return one.kind === "whiteout" ? whiteout(one.path) : opaque(one.path);
  }));
}

type Model = Map<
  string,
  { readonly dir: boolean; readonly mode: number; readonly content: string }
>;

function applyToModel(model: Model, steps: readonly Step[]): void {
  const remove = (path: string, alsoItself: boolean) => {
    for (const key of [...model.keys()]) {
      if (key.startsWith(`${path}/`) || (alsoItself && key === path)) model.delete(key);
    }
  };
  // Whiteouts first: they only apply to lower layers.
  for (const { kind, path } of steps) {
    // A whiteout below anything but a directory hides nothing.
    if (kind === "whiteout") remove(path, true);
    if (kind === "opaque") remove(path, false);
  }
  for (const one of steps) {
    if (one.kind !== "file" && one.kind !== "dir") continue;
    const parts = one.path.split("/");
    for (let i = 1; i < parts.length; i++) {
      const parent = parts.slice(0, i).join("/");
      if (model.get(parent)?.dir) continue;
      model.set(parent, { dir: true, mode: 0o755, content: "" });
    }
    if (one.kind === "dir") {
      model.set(one.path, { dir: true, mode: one.mode, content: "" });
    } else {
      remove(one.path, true);
      model.set(one.path, { dir: false, mode: 0o644, content: one.content });
    }
  }
}

function readModel(root: string): Model {
  const states = [...readTree(root)].filter(([path]) => path !== ".");
  return new Map(states.map(([path, { type, mode, content }]) => [path, {
    dir: type === "directory",
    mode,
    content,
  }]));
}

for (const backend of BACKENDS) {
  Deno.test(`applyLayers() matches the model for any order of entries, ${backend} backend`, async () => {
    await using temp = await makeTempDir({ large: true });
    let round = 0;
    const shuffles = fc.array(
      layer.chain((steps) => fc.shuffledSubarray(steps, { minLength: steps.length })),
      { minLength: 1, maxLength: 4 },
    );

    await fc.assert(
      fc.asyncProperty(shuffles, async (layers) => {
        const root = temp.join(`root-${round++}`);
        const model: Model = new Map();
        // A directory may follow its content; only the metadata of its entry counts.
        for (const steps of layers) applyToModel(model, steps);

        await applyLayers(fromLayers(layers.map(toArchive)), root, { backend, ...SQUASH });

        assertEquals(sorted(readModel(root)), sorted(model));
      }),
      { numRuns: 60 },
    );
  });
}

function sorted(model: Model): unknown {
  return Object.fromEntries([...model].sort(([one], [other]) => one < other ? -1 : 1));
}

Deno.test("applyLayers() requests raw bytes and verifies them itself", async () => {
  await using root = await makeTempDir();
  const [good] = fromLayers([tar(file("a", "good"))]);
  const [bad] = fromLayers([tar(file("a", "evil"))]);
  assert(good !== undefined && bad !== undefined);
  const reads: unknown[] = [];

  await assertRejects(
    () =>
      applyLayers(
        [{
          ...good,
          compressed: (options) => {
            reads.push(options?.raw);
            return bad.compressed(options);
          },
        }],
        root.path,
        SQUASH,
      ),
    DigestMismatchError,
  );

  assertEquals(reads, [true]);
});
