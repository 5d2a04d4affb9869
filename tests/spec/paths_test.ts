import { assertEquals } from "@std/assert";
import * as standard from "@std/path";
import fc from "fast-check";
import { dirname, join, resolve } from "../../spec/paths.ts";

const PATH = fc.array(fc.constantFrom("/", "//", ".", "..", "a", "b.c", "é", ""), { maxLength: 8 })
  .map((parts) => parts.join(""));
const PATHS = fc.array(PATH, { maxLength: 4 });

Deno.test("dirname() agrees with the standard library", () => {
  fc.assert(fc.property(PATH, (path) => assertEquals(dirname(path), standard.dirname(path))), {
    numRuns: 2000,
  });
});

Deno.test("join() agrees with the standard library", () => {
  fc.assert(
    fc.property(fc.array(PATH, { minLength: 1, maxLength: 4 }), (paths) => {
      const [first = "", ...rest] = paths;
      assertEquals(join(first, ...rest), standard.join(first, ...rest), paths.join(" + "));
    }),
    { numRuns: 2000 },
  );
});

Deno.test("resolve() agrees with the standard library", () => {
  fc.assert(
    fc.property(PATHS, (paths) => assertEquals(resolve(...paths), standard.resolve(...paths))),
    { numRuns: 2000 },
  );
});
