import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  decodeName,
  type TarEntryType,
  type TarHeader,
  tarHeader,
  type TarHeaderInput,
  tarPadding,
  TarParser,
} from "../../../layer/mod.ts";
import { tar, toUint8Array } from "../../_support/tar.ts";
import { readTar } from "./_read_tar.ts";

const NAME = fc.uint8Array({ minLength: 1, maxLength: 120 })
  .filter((bytes) => !bytes.includes(0) && !bytes.includes(0x2f)).map(decodeName)
  .filter((name) => name !== "." && name !== "..");
const PATH = fc.array(NAME, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const TYPE = fc.constantFrom<TarEntryType>(
  ...["directory", "symlink", "hardlink", "fifo", "character-device", "block-device"] as const,
);
const HEADER = fc.record({
  type: TYPE,
  path: PATH,
  linkname: PATH,
  mode: fc.nat(0o7777),
  uid: fc.integer({ min: -9, max: 4_294_967_296 }),
  gid: fc.integer({ min: -9, max: 4_294_967_296 }),
  size: fc.constant(0),
  mtime: fc.integer({ min: -2_000_000_000, max: 99_999_999_999 }),
  mtimeNs: fc.nat(999_999_999),
  devmajor: fc.nat(4095),
  devminor: fc.nat(1_048_575),
  xattrs: fc.dictionary(
    fc.stringMatching(/^user\.[a-zä%=.]{1,20}$/),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
  ).map((values) => new Map(Object.entries(values))),
});

Deno.test("tarHeader() writes what TarParser reads", () => {
  fc.assert(fc.property(HEADER, (input) => {
    const [entry] = readTar(tar(tarHeader(input)));

    const { offset: _offset, uname: _uname, gname: _gname, pax: _pax, ...header } = entry?.header ??
      {} as TarHeader;
    const path = input.type === "directory" ? `${input.path}/` : input.path;
    assertEquals({ ...header, xattrs: [...header.xattrs] }, {
      ...input,
      path,
      xattrs: [...input.xattrs],
    });
  }));
});

const FILE: TarHeaderInput = { type: "file", path: "f" };

Deno.test("tarHeader() fills in the defaults of an entry", () => {
  const types: readonly TarEntryType[] = ["directory", "file", "symlink"];
  const found = readTar(tar(...types.map((type) => tarHeader({ type, path: type }))));

  assertEquals(found.map(({ header: { path, mode } }) => [path, mode]), [
    ["directory/", 0o755],
    ["file", 0o644],
    ["symlink", 0o777],
  ]);
  const [, entry] = found;
  const { offset: _offset, pax, ...header } = entry?.header ?? {} as TarHeader;
  assertEquals(pax, undefined);
  assertEquals({ ...header, xattrs: [...header.xattrs] }, {
    type: "file",
    path: "file",
    linkname: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    uname: "",
    gname: "",
    size: 0,
    mtime: 0,
    mtimeNs: 0,
    devmajor: 0,
    devminor: 0,
    xattrs: [],
  });
});

Deno.test("tarHeader() writes sizes that exceed octal fields", () => {
  const size = 20_000_000_000;
  let header: TarHeader | undefined;
  const parser = new TarParser({ entry: (read) => header = read, data() {}, end() {} });

  parser.push(tarHeader({ ...FILE, size }));

  assertEquals(header?.size, size);
});

Deno.test("tarHeader() writes the segments of a sparse file", () => {
  const segments = [{ offset: 0, size: 3 }, { offset: 1_000_000, size: 2 }];
  const header = tarHeader({ ...FILE, path: "dir/sparse", size: 5_000_000, segments });

  const [entry, next] = readTar(tar(
    header,
    toUint8Array("abcde"),
    tarPadding(5 + header.length % 512),
    tarHeader({ ...FILE, path: "next" }),
  ));

  assertEquals([entry?.header.path, entry?.header.size], ["dir/sparse", 5_000_000]);
  assertEquals(entry?.header.segments, segments);
  assertEquals(entry?.content?.slice(0, 3), toUint8Array("abc"));
  assertEquals(entry?.content?.slice(1_000_000, 1_000_002), toUint8Array("de"));
  assertEquals(next?.header.path, "next");
});

Deno.test("tarHeader() writes plain entries as one block", () => {
  assertEquals(tarHeader(FILE).length, 512);
});

Deno.test.each([{ uid: 0.5 }, { size: -1 }, { size: 1.5 }, { mode: NaN }])(
  "tarHeader() rejects %o",
  (wrong) => {
    assertThrows(() => tarHeader({ ...FILE, ...wrong }), RangeError, "must be integers >= 0");
  },
);
