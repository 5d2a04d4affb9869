import { assertEquals, assertThrows } from "@std/assert";
import { TarError, type TarHeader, TarParser } from "../../../layer/mod.ts";
import {
  base256,
  concat,
  dir,
  entry,
  file,
  gnuLongName,
  header,
  paxHeader,
  paxHeaderOf,
  sparse,
  symlink,
  tar,
  toUint8Array,
} from "../../_support/tar.ts";
import { type ReadEntry, readOne, readTar, readTarInto } from "./_read_tar.ts";

const LONG = `${"long/".repeat(40)}name`;

const ENDS = [
  { what: "two zero blocks", archive: tar(file("f", "x")) },
  { what: "one zero block", archive: concat(file("f", "x"), new Uint8Array(512)) },
  { what: "nothing", archive: file("f", "x") },
  { what: "the middle of the padding", archive: file("f", "x").subarray(0, 600) },
  { what: "the content's end", archive: file("f", "x").subarray(0, 513) },
  { what: "garbage after it", archive: concat(tar(file("f", "x")), toUint8Array("garbage")) },
  { what: "another archive after it", archive: concat(tar(file("f", "x")), tar(file("g"))) },
  { what: "a record of zeros", archive: concat(file("f", "x"), new Uint8Array(10_240)) },
];

for (const { what, archive } of ENDS) {
  Deno.test(`TarParser accepts as the end: ${what}`, () => {
    assertEquals(readOne(archive).content, toUint8Array("x"));
  });
}

Deno.test("TarParser reads empty input as an archive without entries", () => {
  assertEquals(readTar(new Uint8Array()), []);
  assertEquals(readTar(new Uint8Array(1024)), []);
  assertEquals(readTar(new Uint8Array(10_240)), []);
});

const BAD = [
  { what: "noise", archive: new Uint8Array(512).fill(7), state: "checksum", offset: 0 },
  {
    what: "a damaged header",
    archive: tar(file("a"), file("b").with(0, 0x63)),
    state: "checksum",
    offset: 512,
  },
  {
    what: "an unknown type",
    archive: tar(file("a"), entry({ name: "b", typeflag: "A" })),
    state: 'its type "A" is unknown',
    offset: 512,
  },
  {
    what: "an entry after a lone zero block",
    archive: tar(file("a"), new Uint8Array(512), file("b")),
    state: "zero block",
    offset: 1024,
  },
  {
    what: "a file system image, which begins with 1024 zeros",
    archive: new Uint8Array(4096).fill(0xe2, 1024),
    state: "begins like an empty tar archive",
    offset: 1024,
  },
  {
    what: "more zeros than a record",
    archive: new Uint8Array(10_752),
    state: "begins like an empty tar archive",
    offset: 10_752,
  },
  {
    what: "a negative size",
    archive: tar(header({ name: "n", typeflag: "0", size: base256(-1, 12) })),
    state: "negative",
    offset: 0,
  },
  {
    what: "a negative size in a record",
    archive: tar(paxHeader({ size: "-1" }), file("f")),
    state: "negative",
    offset: 0,
  },
  {
    what: "a negative size of an extended header",
    archive: tar(header({ typeflag: "x", size: base256(-1, 12) })),
    state: "size",
    offset: 0,
  },
  {
    what: "an extended header before the end",
    archive: tar(file("a"), paxHeader({ path: "b" })),
    state: "no entry follows",
    offset: 512,
  },
  {
    what: "an extended header at the end",
    archive: concat(file("a"), gnuLongName("L", "b")),
    state: "no entry follows",
    offset: 512,
  },
  {
    what: "a global size",
    archive: tar(paxHeader({ size: "5" }, "g"), file("f", "hello")),
    state: "global",
    offset: 0,
  },
  {
    what: "a sparse directory",
    archive: tar(paxHeader({ "GNU.sparse.map": "0,0" }), dir("d")),
    state: "cannot be sparse",
    offset: 0,
  },
  {
    what: "the name of a sparse file without a map",
    archive: tar(paxHeader({ "path": "a", "GNU.sparse.name": "b" }), file("f")),
    state: "but no map",
    offset: 0,
  },
  {
    what: "a pax path and another GNU name",
    archive: tar(paxHeader({ path: "a" }), gnuLongName("L", "b"), file("f")),
    state: "two names",
    offset: 0,
  },
  {
    what: "a GNU name and another pax path",
    archive: tar(gnuLongName("L", "b"), paxHeader({ path: "a" }), file("f")),
    state: "two names",
    offset: 0,
  },
  {
    what: "a pax link target and another GNU one",
    archive: tar(paxHeader({ linkpath: "a" }), gnuLongName("K", "b"), symlink("l", "c")),
    state: "two link targets",
    offset: 0,
  },
  {
    what: "a libarchive xattr that is not base64",
    archive: tar(paxHeader({ "LIBARCHIVE.xattr.user.a": "?" }), file("f")),
    state: "invalid encoding",
    offset: 0,
  },
  {
    // In quadratic time, this would take minutes.
    what: "a libarchive xattr with half a million equals signs",
    archive: tar(
      paxHeader({ "LIBARCHIVE.xattr.user.a": `${"=".repeat(500_000)}?` }),
      file("f"),
    ),
    state: "invalid encoding",
    offset: 0,
  },
  {
    what: "an xattr without a name",
    archive: tar(paxHeader({ "SCHILY.xattr.": "v" }), file("f")),
    state: "no name",
    offset: 0,
  },
  {
    what: "an xattr whose name has a NUL",
    archive: tar(paxHeader({ "LIBARCHIVE.xattr.user.%00": "AAAA" }), file("f")),
    state: "NUL",
    offset: 0,
  },
];

for (const { what, archive, state, offset } of BAD) {
  Deno.test(`TarParser rejects ${what}`, () => {
    const error = assertThrows(() => readTar(archive), TarError, state);

    assertEquals(error.offset, offset);
  });
}

for (const key of ["path", "linkpath", "uname", "gname"]) {
  Deno.test(`TarParser rejects a NUL in the record ${key}`, () => {
    const archive = tar(paxHeader({ [key]: "a\0b" }), file("f"));

    assertThrows(() => readTar(archive), TarError, `"${key}"`);
  });
}

const BAD_RECORDS = [
  "5 a=b\n",
  "7 a=b\n",
  "0 a=b\n",
  "-6 a=b\n",
  "6a=b\n",
  "6  a=b",
  "5 a=b",
  " a=b\n",
  "a=b\n",
  "4 a\n",
  "5 =b\n",
  "3 \n",
  "2\n",
  "99999999999999999999999 a=b\n",
  "6 a=b\n\0",
];

for (const body of BAD_RECORDS) {
  Deno.test(`TarParser rejects the pax record ${JSON.stringify(body)}`, () => {
    assertThrows(() => readTar(tar(paxHeaderOf(body), file("f"))), TarError, "record");
  });
}

Deno.test("TarParser rejects an archive that is truncated within an entry", () => {
  const entries = [file("a", "x".repeat(700)), file(LONG, "y"), sparse("s", 9, [], "gnu")];
  const archive = concat(...entries);
  const second = concat(...entries.slice(0, 2)).length;
  // The padding is not part of an entry: some archives end in it.
  const isWhole = (cut: number) =>
    cut === 0 || (cut >= 512 + 700 && cut <= 1536) || cut === archive.length;

  for (let cut = 0; cut <= archive.length; cut++) {
    const read = () => readTar(archive.subarray(0, cut));
    if (isWhole(cut) || (cut > second - 512 && cut <= second)) read();
    else assertThrows(read, TarError);
  }
});

Deno.test("TarParser passes bodies as views of the pushed chunk", () => {
  const archive = tar(file("f", "hello"));
  const chunks: Uint8Array[] = [];
  const parser = new TarParser({ entry() {}, data: (chunk) => void chunks.push(chunk), end() {} });

  parser.push(archive);

  assertEquals(chunks.map(({ buffer, byteOffset, length }) => [buffer, byteOffset, length]), [
    [archive.buffer, 512, 5],
  ]);
});

Deno.test("TarParser rethrows errors of its sink and then rejects all calls", () => {
  const reason = new Error("disk full");
  const fail = () => {
    throw reason;
  };
  const parser = new TarParser({ entry: fail, data() {}, end() {} });

  assertEquals(assertThrows(() => parser.push(tar(file("f")))), reason);
  assertThrows(() => parser.push(tar(file("f"))), TarError, "already failed");
  assertThrows(() => parser.finish(), TarError, "already failed");
});

Deno.test("TarParser reports its position and the end of the archive", () => {
  const parser = new TarParser({ entry() {}, data() {}, end() {} });

  parser.push(file("f", "x"));
  assertEquals([parser.position, parser.ended], [1024, false]);
  parser.push(new Uint8Array(4096));
  assertEquals([parser.position, parser.ended], [5120, true]);
});

Deno.test("TarParser reads the entries before the damage", () => {
  const entries: ReadEntry[] = [];

  assertThrows(
    () => readTarInto(entries, concat(file("f", "x"), new Uint8Array(512).fill(7))),
    TarError,
  );

  const read: TarHeader | undefined = entries[0]?.header;
  assertEquals(read?.path, "f");
});

Deno.test("TarParser.skip() only skips content and padding", () => {
  const names: string[] = [];
  const parser = new TarParser({ entry: ({ path }) => names.push(path), data() {}, end() {} });
  const archive = tar(file("a", "x".repeat(700)), file("b"), file("c", "y"));
  const seen: number[] = [];

  while (!parser.ended) {
    const { position, skippable } = parser;
    if (skippable > 0) seen.push(skippable);
    if (skippable > 1) {
      parser.skip(1);
      parser.skip(skippable - 1);
    } else if (skippable === 1) parser.skip(1);
    else parser.push(archive.subarray(position, position + 512));
  }
  parser.finish();

  assertEquals(names, ["a", "b", "c"]);
  assertEquals(seen, [700, 324, 1, 511]);
  assertThrows(() => parser.skip(1), RangeError);
});

Deno.test("TarParser.finish() rejects an archive that ends in skipped content", () => {
  const parser = new TarParser({ entry() {}, data() {}, end() {} });

  parser.push(file("a", "x".repeat(700)).subarray(0, 512));
  parser.skip(699);

  assertThrows(() => parser.finish(), TarError, "truncated");
});
