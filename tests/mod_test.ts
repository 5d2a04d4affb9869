import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import * as oci from "../mod.ts";
import { ROOT } from "./_support/process.ts";

/** The modules whose values `mod.ts` exports. */
async function exportedModules(): Promise<readonly string[]> {
  const source = await Deno.readTextFile(join(ROOT, "mod.ts"));
  return [...source.matchAll(/^export \* from "(.+)";$/gm)].map(([, path = ""]) =>
    join(ROOT, path)
  );
}

Deno.test("@x/oci exports every error that what it exports throws", async () => {
  const sources = await Promise.all(
    (await exportedModules()).map((path) => Deno.readTextFile(path)),
  );
  const thrown = sources.flatMap((source) => [...source.matchAll(/@throws \{([\w.]+)\}/g)])
    .map(([, name = ""]) => name);

  const missing = thrown.filter((name) => {
    return !(name in oci) && !(name in globalThis) && !name.startsWith("Deno.errors.");
  });

  assertEquals([...new Set(missing)], []);
});

Deno.test("@x/oci exports the errors of unpacking as classes to compare with", () => {
  assertEquals(
    [oci.UnpackError, oci.ExtractError, oci.PathEscapeError, oci.OwnershipError, oci.BundleError]
      .map(({ prototype }) => prototype instanceof oci.OciError),
    [true, true, true, true, true],
  );
});
