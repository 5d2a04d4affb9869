import { assertEquals, assertThrows } from "@std/assert";
import { TarError } from "../../../layer/mod.ts";
import {
  base256,
  concat,
  device,
  dir,
  entry,
  fifo,
  file,
  GNU_MAGIC,
  gnuLongName,
  hardlink,
  header,
  MTIME,
  padded,
  paxHeader,
  symlink,
  tar,
  toUint8Array,
  USTAR_MAGIC,
} from "../../_support/tar.ts";
import { readOne, readTar } from "./_read_tar.ts";

const LONG = `${"long/".repeat(40)}name`;

Deno.test("TarParser reads every field of a header", () => {
  const archive = tar(
    file("etc/shadow", "secret", {
      mode: 0o104640,
      uid: 12,
      gid: 42,
      uname: "root",
      gname: "shadow",
      mtime: "1700000000.25",
      xattrs: { "user.a": Uint8Array.of(0, 10, 61, 255), "security.capability": "x" },
    }),
  );

  const { header, content } = readOne(archive);

  const { pax, ...others } = header;
  assertEquals(others, {
    offset: 0,
    type: "file",
    path: "etc/shadow",
    linkname: "",
    mode: 0o4640,
    uid: 12,
    gid: 42,
    uname: "root",
    gname: "shadow",
    size: 6,
    mtime: 1_700_000_000,
    mtimeNs: 250_000_000,
    devmajor: 0,
    devminor: 0,
    xattrs: new Map([
      ["user.a", Uint8Array.of(0, 10, 61, 255)],
      ["security.capability", toUint8Array("x")],
    ]),
  });
  assertEquals(pax?.get("mtime"), toUint8Array("1700000000.25"));
  assertEquals(content, toUint8Array("secret"));
});

Deno.test("TarParser reports the offset of an entry's first header", () => {
  const archive = tar(file("a", "1"), file("b".repeat(120), "2"), file("c"));

  const offsets = readTar(archive).map(({ header }) => header.offset);

  assertEquals(offsets, [0, 1024, 1024 + 1536 + 512]);
});

Deno.test("TarParser reads every type", () => {
  const archive = tar(
    dir("d"),
    file("f", "f"),
    hardlink("h", "f"),
    symlink("s", "../f"),
    fifo("p"),
    device("c", "character", 1, 3),
    device("b", "block", 8, 0x12345),
    entry({ name: "contiguous", typeflag: "7" }),
    entry({ name: "old", typeflag: "\0" }),
    entry({ name: "old/", typeflag: "\0" }, { dialect: "v7" }),
  );

  const read = readTar(archive).map(({ header }) => header);

  assertEquals(read.map(({ type, path, linkname }) => [type, path, linkname]), [
    ["directory", "d/", ""],
    ["file", "f", ""],
    ["hardlink", "h", "f"],
    ["symlink", "s", "../f"],
    ["fifo", "p", ""],
    ["character-device", "c", ""],
    ["block-device", "b", ""],
    ["file", "contiguous", ""],
    ["file", "old", ""],
    ["directory", "old/", ""],
  ]);
  assertEquals(read.slice(5, 7).map(({ devmajor, devminor }) => [devmajor, devminor]), [
    [1, 3],
    [8, 0x12345],
  ]);
});

const NAMES = [
  { what: "pax", archive: tar(symlink(LONG, LONG)), path: LONG },
  { what: "GNU", archive: tar(symlink(LONG, LONG, { dialect: "gnu" })), path: LONG },
  {
    what: "a ustar prefix",
    archive: tar(symlink(`${"p/".repeat(60)}n`, LONG, { dialect: "ustar" })),
    path: `${"p/".repeat(60)}n`,
  },
  {
    what: "star's shorter prefix",
    archive: tar(header({
      name: "n",
      prefix: "p".repeat(131),
      magic: USTAR_MAGIC,
      typeflag: "2",
      patch: [[476, "00000000000\x0000000000000\0"], [508, "tar\0"]],
    })),
    path: `${"p".repeat(131)}/n`,
  },
  {
    what: "a GNU header with times for a prefix",
    archive: tar(header({ name: "n", magic: GNU_MAGIC, prefix: "14000000000\x0014000000000\0" })),
    path: "n",
  },
  {
    what: "a GNU header with a prefix, as old Go wrote",
    archive: tar(header({ name: "n", magic: GNU_MAGIC, prefix: "some/where/else" })),
    path: "some/where/else/n",
  },
  {
    what: "a v7 header with noise for a prefix",
    archive: tar(header({ name: "n", typeflag: "0", prefix: "noise" })),
    path: "n",
  },
  {
    what: "a name that fills its field",
    archive: tar(file("n".repeat(100))),
    path: "n".repeat(100),
  },
  {
    what: "the same by pax and by GNU's name",
    archive: tar(paxHeader({ path: "same" }), gnuLongName("L", "same"), file("header")),
    path: "same",
  },
  {
    what: "the last of several",
    archive: tar(gnuLongName("L", "one"), gnuLongName("L", "two"), file("header")),
    path: "two",
  },
  {
    what: "an empty record",
    archive: tar(paxHeader({ path: "" }), file("header")),
    path: "header",
  },
  {
    what: "Solaris' older header",
    archive: tar(concat(solaris(paxHeader({ path: "x" }))), file("header")),
    path: "x",
  },
];

/** The same extended header with the type of Solaris before POSIX. */
function solaris(pax: Uint8Array): Uint8Array {
  const size = new TextDecoder().decode(pax.subarray(124, 135));
  return concat(header({ size: parseInt(size, 8), typeflag: "X" }), pax.subarray(512));
}

for (const { what, archive, path } of NAMES) {
  Deno.test(`TarParser reads names: ${what}`, () => {
    assertEquals(readOne(archive).header.path, path);
  });
}

Deno.test("TarParser reads long targets of links", () => {
  for (const dialect of ["pax", "gnu"] as const) {
    assertEquals(readOne(tar(symlink("s", LONG, { dialect }))).header.linkname, LONG);
  }
});

Deno.test("TarParser keeps names that are not UTF-8", () => {
  const name = Uint8Array.of(0xf0, 0xf2, 0x2f, 0xe9);

  assertEquals(readOne(tar(file(name))).header.path, "\udcf0\udcf2/\udce9");
  assertEquals(readOne(tar(file("n"), new Uint8Array())).header.path, "n");
  const archive = tar(paxHeader({ path: name }), file("n"));
  assertEquals(readOne(archive).header.path, "\udcf0\udcf2/\udce9");
});

const NUMBERS = [
  { what: "octal", field: "0000017\0", value: 15 },
  { what: "octal that fills its field", field: "00000017", value: 15 },
  { what: "octal after spaces", field: "     17 ", value: 15 },
  { what: "octal after NULs", field: "\0\0\x0017\0\0\0", value: 15 },
  { what: "octal before noise", field: "17\0noise", value: 15 },
  { what: "nothing", field: "", value: 0 },
  { what: "spaces", field: "        ", value: 0 },
  { what: "base-256", field: base256(2 ** 40, 8), value: 2 ** 40 },
  { what: "negative base-256", field: base256(-2, 8), value: -2 },
];

for (const { what, field, value } of NUMBERS) {
  Deno.test(`TarParser reads numbers: ${what}`, () => {
    const archive = tar(header({ name: "n", typeflag: "0", uid: field, magic: USTAR_MAGIC }));

    assertEquals(readOne(archive).header.uid, value);
  });
}

for (const field of ["0000018\0", "12 34\0", "-1\0", base256(2n ** 53n, 8)]) {
  Deno.test(`TarParser rejects the number ${JSON.stringify(field)}`, () => {
    const archive = tar(header({ name: "n", typeflag: "0", gid: field, magic: USTAR_MAGIC }));

    const error = assertThrows(() => readTar(archive), TarError, "its gid is not a number");
    assertEquals([error.offset, error.entry], [0, "n"]);
  });
}

/** Times that no file system can store become the nearest numbers that are exact. */
const MAX_TIME = Number.MAX_SAFE_INTEGER;
const TIMES = [
  { mtime: "1", seconds: 1, nanoseconds: 0 },
  { mtime: "1.5", seconds: 1, nanoseconds: 500_000_000 },
  { mtime: "1.", seconds: 1, nanoseconds: 0 },
  { mtime: "1.0000000019", seconds: 1, nanoseconds: 1 },
  { mtime: "-1", seconds: -1, nanoseconds: 0 },
  { mtime: "-1.25", seconds: -2, nanoseconds: 750_000_000 },
  { mtime: "-0.25", seconds: -1, nanoseconds: 750_000_000 },
  { mtime: "-0", seconds: 0, nanoseconds: 0 },
  { mtime: "8589934592.000000001", seconds: 8_589_934_592, nanoseconds: 1 },
  { mtime: "9007199254740993", seconds: MAX_TIME, nanoseconds: 0 },
  { mtime: `-${2n ** 62n}`, seconds: -MAX_TIME, nanoseconds: 0 },
];

for (const { mtime, seconds, nanoseconds } of TIMES) {
  Deno.test(`TarParser reads the pax time ${mtime}`, () => {
    const { header } = readOne(tar(paxHeader({ mtime }), file("f")));

    assertEquals([header.mtime, header.mtimeNs], [seconds, nanoseconds]);
  });
}

for (const mtime of ["x", "1e3", ".5", "1.x", "--1", " 1"]) {
  Deno.test(`TarParser rejects the pax time ${JSON.stringify(mtime)}`, () => {
    const archive = tar(paxHeader({ mtime }), file("f"));

    assertThrows(() => readTar(archive), TarError, "its mtime is not a number");
  });
}

Deno.test("TarParser reads times before 1970 and after 2242 in the header itself", () => {
  for (const mtime of [-1, 2 ** 34]) {
    const { header } = readOne(tar(file("f", "", { mtime, dialect: "gnu" })));

    assertEquals([header.mtime, header.mtimeNs], [mtime, 0]);
  }
  for (const [time, mtime] of [[2n ** 62n, MAX_TIME], [-(2n ** 62n), -MAX_TIME]] as const) {
    const options = { dialect: "gnu", header: { mtime: base256(time, 12) } } as const;
    const { header } = readOne(tar(file("f", "", options)));

    assertEquals([header.mtime, header.mtimeNs], [mtime, 0]);
  }
});

Deno.test("TarParser lets pax records override the header", () => {
  const pax = {
    size: "2",
    uid: "4294967294",
    gid: "3000000",
    uname: "üser",
    gname: "gröup",
    "SCHILY.devmajor": "7",
    mode: "4755",
    comment: "kept as it is",
  };

  const { header, content } = readOne(
    tar(paxHeader(pax), concat(entry({ name: "f", typeflag: "0", mode: 0o644 }), padded("ab"))),
  );

  const { mode, uid, gid, uname, gname, devmajor } = header;
  assertEquals({ mode, uid, gid, uname, gname, devmajor }, {
    mode: 0o644,
    uid: 4_294_967_294,
    gid: 3_000_000,
    uname: "üser",
    gname: "gröup",
    devmajor: 7,
  });
  assertEquals(header.pax?.get("comment"), toUint8Array("kept as it is"));
  assertEquals(content, toUint8Array("ab"));
});

Deno.test("TarParser applies global records to all following entries", () => {
  const archive = tar(
    file("one"),
    paxHeader({ uid: "7", mtime: "1.5", "SCHILY.xattr.user.g": "global" }, "g"),
    file("two"),
    paxHeader({ uid: "8", mtime: "" }),
    file("three"),
    paxHeader({ uid: "", gid: "9" }, "g"),
    file("four"),
  );

  const read = readTar(archive).map(({ header }) => header);

  const mtimes = read.map(({ mtime, mtimeNs }) => [mtime, mtimeNs]);
  assertEquals(read.map(({ uid, gid }) => [uid, gid]), [[0, 0], [7, 0], [8, 0], [0, 9]]);
  assertEquals(mtimes, [[MTIME, 0], [1, 500_000_000], [MTIME, 0], [1, 500_000_000]]);
  assertEquals(read.map(({ xattrs }) => xattrs.size), [0, 1, 1, 1]);
  assertEquals(read.map(({ pax }) => pax?.has("gid")), [undefined, false, false, true]);
});

Deno.test("TarParser ignores names in global records, like Go", () => {
  const names = paxHeader({ path: "all", linkpath: "all" }, "g");

  const [link, plain] = readTar(tar(names, symlink("a", "b"), file("c"))).map(({ header }) =>
    header
  );

  assertEquals([link?.path, link?.linkname, plain?.path], ["a", "b", "c"]);
});

Deno.test("TarParser keeps an entry's own records over a global header in between", () => {
  const archive = tar(paxHeader({ path: "own" }), paxHeader({ uid: "7" }, "g"), file("header"));

  const { path, uid } = readOne(archive).header;

  assertEquals([path, uid], ["own", 7]);
});

Deno.test("TarParser reads libarchive's encoding of xattrs, below the raw one", () => {
  const pax = {
    "LIBARCHIVE.xattr.user.a%20b%3D": "AAH/",
    "LIBARCHIVE.xattr.user.unpadded": "WFla/w",
    "LIBARCHIVE.xattr.user.both": "WFla",
    "SCHILY.xattr.user.both": "raw",
    "SCHILY.xattr.user.empty": "",
  };

  const { xattrs } = readOne(tar(paxHeader(pax), file("f"))).header;

  assertEquals(
    xattrs,
    new Map([
      ["user.a b=", Uint8Array.of(0, 1, 255)],
      ["user.unpadded", Uint8Array.of(0x58, 0x59, 0x5a, 0xff)],
      ["user.both", toUint8Array("raw")],
      ["user.empty", new Uint8Array()],
    ]),
  );
});

Deno.test("TarParser ignores the size of entries that are not files", () => {
  const sized = { size: 5, header: {} };
  const archive = tar(
    header({ name: "h", linkname: "f", typeflag: "1", magic: USTAR_MAGIC, ...sized }),
    header({ name: "d", typeflag: "5", magic: USTAR_MAGIC, ...sized }),
    file("f", "x"),
  );

  assertEquals(readTar(archive).map(({ header }) => [header.path, header.size]), [
    ["h", 0],
    ["d", 0],
    ["f", 1],
  ]);
});

Deno.test("TarParser skips the body of a dumped directory and of a volume header", () => {
  const archive = tar(
    header({ name: "volume", typeflag: "V", size: 3, magic: GNU_MAGIC }),
    padded("abc"),
    header({ name: "d/", typeflag: "D", size: 3, magic: GNU_MAGIC }),
    padded("Yf\0"),
    file("f", "x"),
  );

  const read = readTar(archive).map(({ header }) => [header.type, header.path]);

  assertEquals(read, [["directory", "d/"], ["file", "f"]]);
});

Deno.test("TarParser accepts checksums of signed bytes", () => {
  const block = header({ name: Uint8Array.of(0xe9, 0xe9), typeflag: "0", magic: USTAR_MAGIC });
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + (byte << 24 >> 24), 0);
  block.set(toUint8Array(`${sum.toString(8).padStart(6, "0")}\0`), 148);

  assertEquals(readOne(tar(block)).header.path, "\udce9\udce9");
});
