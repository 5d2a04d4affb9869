import { assert, assertEquals, assertThrows } from "@std/assert";
import { type TarLimits, TarParser } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import {
  dir,
  file,
  header,
  padded,
  paxHeader,
  paxHeaderOf,
  symlink,
  tar,
} from "../../_support/tar.ts";
import { readTar } from "./_read_tar.ts";

const LIMITS: readonly { option: keyof TarLimits; max: number; archive: Uint8Array }[] = [
  { option: "maxEntries", max: 2, archive: tar(file("a"), dir("b")) },
  { option: "maxPathBytes", max: 200, archive: tar(file("ab/é".repeat(40))) },
  { option: "maxPathBytes", max: 150, archive: tar(dir("n".repeat(150))) },
  { option: "maxPathBytes", max: 150, archive: tar(symlink("s", "t".repeat(150))) },
  { option: "maxPathBytes", max: 150, archive: tar(file("n".repeat(150), "", { dialect: "gnu" })) },
  { option: "maxNameBytes", max: 120, archive: tar(file(`d/${"n".repeat(120)}/f`)) },
  {
    option: "maxExtendedHeaderBytes",
    max: 1000,
    archive: tar(paxHeaderOf(`1000 a=${"b".repeat(992)}\n`), file("f")),
  },
  {
    option: "maxExtendedHeaderBytes",
    max: 1000,
    archive: tar(header({ typeflag: "L", size: 1000 }), padded("n".padEnd(1000, "\0")), file("f")),
  },
  {
    option: "maxGlobalRecords",
    max: 3,
    archive: tar(paxHeader({ a: "1", b: "2" }, "g"), paxHeader({ b: "3", c: "4" }, "g"), file("f")),
  },
  {
    option: "maxGlobalBytes",
    max: 204,
    archive: tar(
      paxHeader({ a: "1".repeat(100), bb: "2" }, "g"),
      paxHeader({ bb: "2".repeat(101) }, "g"),
      file("f"),
    ),
  },
  {
    option: "maxXattrBytes",
    max: 300,
    archive: tar(file("f", "", { xattrs: { "user.a": "v".repeat(300) } })),
  },
  {
    option: "maxXattrsBytes",
    max: 312,
    archive: tar(
      file("f", "", { xattrs: { "user.a": "v".repeat(200), "user.b": "v".repeat(100) } }),
    ),
  },
];

for (const [index, { option, max, archive }] of LIMITS.entries()) {
  Deno.test(`TarParser enforces ${option}, case ${index}`, () => {
    assert(readTar(archive, { [option]: max }).length > 0);

    const read = () => readTar(archive, { [option]: max - 1 });

    const error = assertThrows(read, LimitError, `"${option}"`);
    assertEquals(error.max, max - 1);
  });
}

Deno.test("TarParser limits the sum of global headers", () => {
  const headers = Array.from(
    { length: 20 },
    (_, index) => paxHeader({ [`key${index}`]: "v".repeat(100) }, "g"),
  );
  const archive = tar(...headers, file("f"));

  readTar(archive, { maxGlobalBytes: 2200 });
  assertThrows(() => readTar(archive, { maxGlobalBytes: 2000 }), LimitError);
  // A mebibyte of digits would be parsed again for each entry.
  const large = tar(paxHeader({ uid: "0".repeat(1_000_000) }, "g"), file("f"));
  assertThrows(() => readTar(large), LimitError, '"maxGlobalBytes"');
});

Deno.test("TarParser allocates nothing for a header that is too large", () => {
  const archive = header({ typeflag: "x", size: 2 ** 40 });

  const error = assertThrows(() => readTar(archive), LimitError);

  assertEquals(error.value, 2 ** 40);
});

Deno.test("TarParser rejects limits that are not numbers", () => {
  const sink = { entry() {}, data() {}, end() {} };

  assertThrows(() => new TarParser(sink, { maxEntries: NaN }), RangeError, '"maxEntries"');
});
