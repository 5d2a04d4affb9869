import {
  concat,
  dir,
  file,
  hardlink,
  noise,
  paxHeader,
  sparse,
  symlink,
  tar,
} from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** Entries that yield the same tree in every dialect, and sparse files. */
export const DIALECTS: readonly LayerCase[] = [
  ...(["v7", "ustar", "gnu", "pax"] as const).map((dialect): LayerCase => ({
    name: `the same tree in the dialect ${dialect}`,
    layers: [tar(
      dir("d", { dialect, mode: 0o750 }),
      file("d/f", "x", { dialect, uid: 12, gid: 34 }),
      symlink("d/l", "f", { dialect }),
      hardlink("d/h", "d/f", { dialect }),
    )],
    tree: {
      "d": "dir 750",
      "d/f": 'file 12:34 "x"',
      "d/h": 'file 12:34 = d/f "x"',
      "d/l": "link -> f",
    },
  })),
  {
    name: "old and contiguous files",
    layers: [tar(
      file("old", "x", { header: { typeflag: "\0" } }),
      file("contiguous", "y", { header: { typeflag: "7" } }),
      file("slash/", "", { header: { typeflag: "\0" } }),
    )],
    tree: { "contiguous": 'file "y"', "old": 'file "x"', "slash": "dir 644" },
  },
  {
    name: "long link targets in GNU's form",
    layers: [tar(symlink("l", "t".repeat(150), { dialect: "gnu" }))],
    tree: { "l": `link -> ${"t".repeat(150)}` },
  },
  {
    name: "records of a global header",
    layers: [tar(paxHeader([["uid", "77"]], "g"), file("f", "x"))],
    tree: { "f": 'file 77:0 "x"' },
  },
  {
    name: "bytes after the end of the archive",
    layers: [concat(tar(file("f", "x")), noise(700))],
    tree: { "f": 'file "x"' },
  },
  ...(["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const).map((format): LayerCase => ({
    name: `a file with holes as ${format} writes it`,
    layers: [tar(
      sparse("s", 150, [{ offset: 10, data: "ten" }, { offset: 100, data: "hundred" }], format),
      file("next", "x"),
    )],
    tree: {
      "next": 'file "x"',
      "s": `file ${
        JSON.stringify(`${"\0".repeat(10)}ten${"\0".repeat(87)}hundred${"\0".repeat(43)}`)
      }`,
    },
  })),
  {
    name: "a large file of zeros",
    layers: [tar(file("zeros", new Uint8Array(300_000)))],
    tree: { "zeros": "file 300000 bytes" },
  },
  {
    name: "an empty file",
    layers: [tar(file("empty"))],
    tree: { "empty": 'file ""' },
  },
];
