import { assertEquals } from "@std/assert";
import { PartRanges } from "../../../store/content/_part_ranges.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

posixTest("PartRanges reads its own record, even without a umask", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  const ranges = [{ start: 0, end: 10 }, { start: 20, end: 30 }];
  const umask = Deno.umask(0);
  try {
    using _record = PartRanges.create(part, ranges);
  } finally {
    Deno.umask(umask);
  }

  assertEquals(PartRanges.read(part, 40), ranges);
});
