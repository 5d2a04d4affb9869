import { assertEquals } from "@std/assert";
import { describeEntries } from "../../../cli/terminal/layer_listing.ts";
import type { Layer } from "../../../store/mod.ts";
import { dir, file, hardlink, symlink, tar } from "../../_support/tar.ts";

Deno.test("describeEntries() notes what links and whiteouts mean, and only those", async () => {
  const archive = tar(
    symlink("l", "../x"),
    hardlink("h", "../../x"),
    file("d/.wh.f", ""),
    dir("d/.wh.g"),
    file(".wh.h", ""),
    file("d/.wh..wh..opq", ""),
    file("d/.wh.g/f", ""),
    file(".wh..wh.plnk/1", ""),
  );
  const layer = { uncompressed: () => Promise.resolve(new Blob([archive]).stream()) };

  const entries = await describeEntries(layer as Partial<Layer> as Layer);

  assertEquals(entries.map(({ note }) => note), [
    "-> ../x",
    "the same file as ../../x",
    "removes d/f",
    "removes d/g",
    "removes h",
    "hides the content of d/ in lower layers",
    "",
    "",
  ]);
});
