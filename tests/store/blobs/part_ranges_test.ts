import { assertEquals } from "@std/assert";
import { PartRanges } from "../../../store/blobs/part_ranges.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { runWithoutUmask } from "../../_support/umask.ts";

posixTest("PartRanges reads its own record, even without a umask", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  const ranges = [{ start: 0, end: 10 }, { start: 20, end: 30 }];

  await runWithoutUmask(
    `import { PartRanges } from "./store/blobs/part_ranges.ts";
    const [part, ranges] = Deno.args;
    PartRanges.create(part, JSON.parse(ranges))[Symbol.dispose]();`,
    part,
    JSON.stringify(ranges),
  );

  assertEquals(PartRanges.read(part, 40), ranges);
});
