import { assert, assertStringIncludes } from "@std/assert";
import { missing } from "../../../cli/access/image_files.ts";
import type { ImageFiles } from "../../../store/files/image_files.ts";

Deno.test("missing() looks up few of the parents of a deep path", async () => {
  let count = 0;
  const files = {
    find(path: string) {
      count++;
      const status = { type: "directory" };
      return Promise.resolve(path.length < 1000 ? { path, status, target: "" } : undefined);
    },
  } as unknown as ImageFiles;

  const error = await missing(files, Array(2000).fill("d").join("/"));

  assertStringIncludes(error.message, "it does not exist");
  assert(count < 20, `${count} lookups`);
});
