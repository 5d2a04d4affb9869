import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { ExtractError } from "../../../layer/mod.ts";
import type { TreeBackend } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import { CORPUS, type LayerCase } from "../_corpus/mod.ts";
import { runCase } from "../_corpus/run.ts";

const ALL = Object.values(CORPUS).flat();

function expected(test: LayerCase, backend: TreeBackend) {
  const { tree, skipped, pure } = test;
  if (backend === "native" || pure === undefined) return { tree, skipped: skipped ?? [] };
  return { tree: pure.tree, skipped: pure.skipped ?? skipped ?? [] };
}

for (const backend of ["native", "pure"] as const) {
  for (const test of ALL.filter(({ only = backend }) => only === backend)) {
    rootTest({
      name: `${backend} backend: ${test.name}`,
      // Owners, devices and trusted attributes need root; other users are tested separately.
      fn: async () => {
        const { tree, error, report, outside } = await runCase(test, { backend });

        assertEquals(outside[1], outside[0], "SOMETHING OUTSIDE THE ROOT WAS CHANGED");
        if (test.error !== undefined) {
          assertInstanceOf(error, Error);
          assert(error instanceof ExtractError || error instanceof LimitError, String(error));
          assertEquals(error.name, test.error, String(error));
          assertStringIncludes(error.message, test.message ?? "");
          return;
        }
        if (error !== undefined) throw error;
        const wanted = expected(test, backend);
        if (wanted.tree === undefined) return;
        assertEquals(tree, wanted.tree);
        assertEquals(report?.skipped.map(({ path }) => path), wanted.skipped);
      },
    });
  }
}

Deno.test("the corpus has at least 150 cases with distinct names", () => {
  const names = new Set(ALL.map(({ name }) => name));

  assert(ALL.length >= 150, `there are ${ALL.length}`);
  assertEquals(names.size, ALL.length);
});
