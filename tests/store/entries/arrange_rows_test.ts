import { assert, assertEquals } from "@std/assert";
import type { TarHeader } from "../../../layer/tar/tar_header.ts";
import { arrangeRows, type RowEntry } from "../../../store/entries/_arrange_rows.ts";

function entryAt(path: string, number: number): RowEntry {
  const header = { type: "file", offset: number * 512, linkname: "" } as unknown as TarHeader;
  return { number, path, kind: "none", header };
}

/** Arranges files in one directory, and returns how long that took. */
function timeArranging(directory: string): number {
  const entries = Array.from({ length: 1000 }, (_, number) => {
    // A path of an archive is one string, not a chain of its parts.
    return entryAt(new TextDecoder().decode(new TextEncoder().encode(directory + number)), number);
  });
  const start = performance.now();
  const arranged = arrangeRows(entries);
  const time = performance.now() - start;
  assertEquals(arranged?.rows.filter(({ entry }) => entry !== undefined).length, 1000);
  return time;
}

Deno.test("arrangeRows() sorts deep paths as fast as other long ones", () => {
  const times = (directory: string) => Array.from({ length: 3 }, () => timeArranging(directory));

  const long = Math.min(...times(`${"dd".repeat(1999)}/`));
  const deep = Math.min(...times("d/".repeat(2000)));

  assert(deep < 8 * long + 100, `${deep} ms rather than ${long} ms`);
});
