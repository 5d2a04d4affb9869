import { assertEquals } from "@std/assert";
import { layerListing } from "../../../cli/demo/layer_listing.ts";
import type { Layer } from "../../../store/mod.ts";
import { dir, file, hardlink, symlink, tar } from "../../_support/tar.ts";

Deno.test("layerListing() notes what links and whiteouts mean, and only those", async () => {
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

  const lines = await layerListing(layer as Partial<Layer> as Layer);

  assertEquals(lines.map((line) => line.split(/ {2,}/).slice(3)), [
    ["l", "-> ../x"],
    ["h", "the same file as ../../x"],
    ["d/.wh.f", "removes d/f"],
    ["d/.wh.g/", "removes d/g"],
    [".wh.h", "removes h"],
    ["d/.wh..wh..opq", "hides the content of d/ in lower layers"],
    ["d/.wh.g/f"],
    [".wh..wh.plnk/1"],
  ]);
});
