import { assert, assertEquals } from "@std/assert";
import type { LayerListing } from "../../../store/entries/layer_listing.ts";
import { hides, LayerMarks } from "../../../store/entries/layer_marks.ts";

const NAMES = ["a", "a-", "b"];
const PATHS = NAMES.flatMap((one) => {
  return [one, ...NAMES.flatMap((two) => [`${one}/${two}`, `${one}/${two}/a`])];
});

Deno.test("LayerMarks.hides() finds marks at a path and above it", () => {
  const marks = ["", ...PATHS];
  for (const removed of marks) {
    for (const opaque of marks) {
      const layer = new LayerMarks(new Set([removed, "b/b"]), new Set([opaque]));
      for (const path of marks) {
        const parents = [path];
        for (let at = path; at !== ""; parents.push(at)) {
          at = at.slice(0, Math.max(at.lastIndexOf("/"), 0));
        }
        const isHidden = parents.some((at) => layer.removes(at)) ||
          parents.slice(1).some((at) => layer.isOpaque(at));
        assertEquals(layer.hides(path), isHidden, `${path} below ${removed} and ${opaque}`);
      }
    }
  }
});

Deno.test("hides() looks up few parents of a deep path", () => {
  let lookups = 0;
  const path = Array(2000).fill("d").join("/");
  for (const [length, type] of [[0, "directory"], [999, "file"], [999, "directory"]] as const) {
    const last = path.slice(0, length);
    const listing = {
      marks: new LayerMarks(new Set(["other"]), new Set()),
      at(path: string) {
        lookups++;
        if (path.length > last.length) return undefined;
        return { type: path === last ? type : "directory" };
      },
    } as unknown as LayerListing;

    assertEquals(hides(listing, path), type === "file");
    assertEquals(hides(listing, `other/${path}`), true);
  }
  assert(lookups < 60, `${lookups} lookups`);
});
