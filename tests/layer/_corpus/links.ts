import { device, dir, fifo, file, hardlink, symlink, tar } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** Hard and symbolic links, and entries that go through them. */
export const LINKS: readonly LayerCase[] = [
  {
    name: "a hard link is one file with two names",
    layers: [tar(file("a", "x", { mode: 0o755 }), hardlink("b", "a"))],
    tree: { "a": 'file 755 "x"', "b": 'file 755 = a "x"' },
  },
  {
    name: "the metadata in a hard link's entry is ignored",
    layers: [tar(file("a", "x"), hardlink("b", "a", { mode: 0o777, uid: 7, mtime: 3 }))],
    tree: { "a": 'file "x"', "b": 'file = a "x"' },
  },
  {
    name: "a hard link's target is named from the root of the archive",
    layers: [
      tar(
        dir("usr"),
        dir("usr/bin"),
        file("usr/bin/perl", "x"),
        hardlink("usr/bin/perl5", "usr/bin/perl"),
      ),
    ],
    tree: {
      "usr": "dir",
      "usr/bin": "dir",
      "usr/bin/perl": 'file "x"',
      "usr/bin/perl5": 'file = usr/bin/perl "x"',
    },
  },
  {
    name: "a hard link whose target begins with ./",
    layers: [tar(file("./a", "x"), hardlink("./b", "./a"))],
    tree: { "a": 'file "x"', "b": 'file = a "x"' },
  },
  {
    name: "a hard link whose target is absolute is resolved inside the root",
    layers: [tar(dir("etc"), file("etc/passwd", "in"), hardlink("b", "/etc/passwd"))],
    tree: { "b": 'file "in"', "etc": "dir", "etc/passwd": 'file = b "in"' },
  },
  {
    name: "a hard link to a file of a lower layer",
    layers: [tar(file("a", "x")), tar(hardlink("b", "a"))],
    tree: { "a": 'file "x"', "b": 'file = a "x"' },
  },
  {
    name: "a hard link whose parents have no entries",
    layers: [tar(file("a", "x"), hardlink("new/parent/b", "a"))],
    tree: {
      "a": 'file "x"',
      "new": "dir @0",
      "new/parent": "dir @0",
      "new/parent/b": 'file = a "x"',
    },
  },
  {
    name: "a hard link to a hard link",
    layers: [tar(file("a", "x"), hardlink("b", "a"), hardlink("c", "b"))],
    tree: { "a": 'file "x"', "b": 'file = a "x"', "c": 'file = a "x"' },
  },
  {
    name: "a hard link twice",
    layers: [tar(file("a", "x"), hardlink("b", "a"), hardlink("b", "a"))],
    tree: { "a": 'file "x"', "b": 'file = a "x"' },
  },
  {
    name: "a hard link to itself",
    layers: [tar(file("a", "x"), hardlink("a", "a"))],
    tree: { "a": 'file "x"' },
  },
  {
    name: "a hard link to itself that does not exist",
    layers: [tar(hardlink("a", "a"))],
    error: "ExtractError",
    message: "does not exist",
  },
  {
    name: "a hard link to a missing file",
    layers: [tar(file("a", "x"), hardlink("b", "nowhere"))],
    error: "ExtractError",
    message: '"nowhere", does not exist',
  },
  {
    name: "a hard link whose target comes later",
    layers: [tar(hardlink("b", "a"), file("a", "x"))],
    error: "ExtractError",
    message: '"a", does not exist',
  },
  {
    name: "a hard link to a directory",
    layers: [tar(dir("d"), hardlink("e", "d"))],
    error: "ExtractError",
    message: "is a directory",
  },
  {
    name: "a hard link to a symbolic link is one link with two names",
    layers: [tar(file("a", "x"), symlink("l", "a"), hardlink("m", "l"))],
    tree: { "a": 'file "x"', "l": "link -> a", "m": "link = l -> a" },
  },
  {
    name: "a hard link to a FIFO",
    layers: [tar(fifo("p"), hardlink("q", "p"))],
    tree: { "p": "fifo", "q": "fifo = p" },
  },
  {
    name: "a hard link to a device",
    layers: [tar(device("null", "character", 1, 3), hardlink("zero", "null"))],
    tree: { "null": "char 1:3", "zero": "char 1:3 = null" },
  },
  {
    name: "a hard link whose target is reached through a link",
    layers: [tar(dir("usr"), file("usr/a", "x"), symlink("lib", "usr"), hardlink("b", "lib/a"))],
    tree: { "b": 'file "x"', "lib": "link -> usr", "usr": "dir", "usr/a": 'file = b "x"' },
  },
  {
    name: "a hard link created through a link to a directory",
    layers: [tar(dir("usr"), file("a", "x"), symlink("lib", "usr"), hardlink("lib/b", "a"))],
    tree: { "a": 'file "x"', "lib": "link -> usr", "usr": "dir", "usr/b": 'file = a "x"' },
  },
  {
    name: "a hard link over the directory that contains its target",
    layers: [tar(dir("d"), file("d/f", "x"), hardlink("d", "d/f"))],
    error: "ExtractError",
    message: "does not exist",
  },
  {
    name: "a file is created through a link to a directory",
    layers: [tar(dir("usr"), dir("usr/lib"), symlink("lib", "usr/lib")), tar(file("lib/a", "x"))],
    tree: { "lib": "link -> usr/lib", "usr": "dir", "usr/lib": "dir", "usr/lib/a": 'file "x"' },
  },
  {
    name: "a file is created through an absolute link, inside the root",
    layers: [tar(dir("usr"), symlink("lib", "/usr")), tar(file("lib/a", "x"))],
    tree: { "lib": "link -> /usr", "usr": "dir", "usr/a": 'file "x"' },
  },
  {
    name: "a file is created through a relative link in a directory",
    layers: [tar(dir("a"), dir("b"), symlink("a/l", "../b")), tar(file("a/l/f", "x"))],
    tree: { "a": "dir", "a/l": "link -> ../b", "b": "dir", "b/f": 'file "x"' },
  },
  {
    name: "a file is created through a chain of links",
    layers: [
      tar(dir("d"), symlink("a", "d"), symlink("b", "a"), symlink("c", "./b/")),
      tar(
        file("c/f", "x"),
      ),
    ],
    tree: {
      "a": "link -> d",
      "b": "link -> a",
      "c": "link -> ./b/",
      "d": "dir",
      "d/f": 'file "x"',
    },
  },
  {
    name: "a file is created through a link to a missing directory",
    layers: [tar(symlink("lib", "usr/lib")), tar(file("lib/a", "x"))],
    tree: {
      "lib": "link -> usr/lib",
      "usr": "dir @0",
      "usr/lib": "dir @0",
      "usr/lib/a": 'file "x"',
    },
  },
  {
    name: "a file cannot be created through a link to a file",
    layers: [tar(file("f", "keep"), symlink("lib", "f")), tar(file("lib/a", "x"))],
    error: "ExtractError",
  },
  {
    name: "a link's .. is relative to the directory of the link",
    layers: [
      tar(dir("a"), dir("a/b"), dir("c"), symlink("l", "a/b"), symlink("m", "l/../../c")),
      tar(file("m/f", "x")),
    ],
    tree: {
      "a": "dir",
      "a/b": "dir",
      "c": "dir",
      "c/f": 'file "x"',
      "l": "link -> a/b",
      "m": "link -> l/../../c",
    },
  },
  {
    name: "a chain of forty links is followed",
    layers: [
      tar(dir("l0"), ...Array.from({ length: 40 }, (_, i) => symlink(`l${i + 1}`, `l${i}`))),
      tar(file("l40/f", "x")),
    ],
    tree: {
      "l0": "dir",
      "l0/f": 'file "x"',
      ...Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`l${i + 1}`, `link -> l${i}`])),
    },
  },
  {
    name: "a chain of forty-one links counts as a loop",
    layers: [
      tar(dir("l0"), ...Array.from({ length: 41 }, (_, i) => symlink(`l${i + 1}`, `l${i}`))),
      tar(file("l41/f", "x")),
    ],
    error: "ExtractError",
  },
  {
    name: "a link that is replaced is no longer followed",
    layers: [
      tar(dir("one"), dir("two"), symlink("l", "one"), file("l/a", "1")),
      tar(file("l/b", "1"), symlink("l", "two"), file("l/c", "2")),
    ],
    tree: {
      "l": "link -> two",
      "one": "dir",
      "one/a": 'file "1"',
      "one/b": 'file "1"',
      "two": "dir",
      "two/c": 'file "2"',
    },
  },
  {
    name: "a directory that becomes a link is no longer written to",
    layers: [
      tar(dir("d"), file("d/a", "1"), dir("e")),
      tar(file("d/b", "2"), symlink("d", "e"), file("d/c", "3")),
    ],
    tree: { "d": "link -> e", "e": "dir", "e/c": 'file "3"' },
  },
  {
    name: "a symbolic link with owner and time",
    layers: [tar(symlink("l", "nowhere", { uid: 8, gid: 9, mtime: 1.5 }))],
    tree: { "l": "link 8:9 @1.5 -> nowhere" },
  },
  {
    name: "a symbolic link with a target of 4095 bytes",
    layers: [tar(symlink("l", `${"t/".repeat(2047)}t`))],
    tree: { "l": `link -> ${"t/".repeat(2047)}t` },
  },
  {
    name: "a symbolic link with an empty target",
    layers: [tar(symlink("l", ""))],
    error: "ExtractError",
  },
  {
    name: "a symbolic link whose target is not UTF-8",
    layers: [tar(symlink("l", new Uint8Array([0x2f, 0xe9])), file("f", "x"))],
    tree: { "f": 'file "x"', "l": "link -> /\udce9" },
    pure: { tree: { "f": 'file "x"' }, skipped: ["l"] },
  },
  {
    name: "a hard link and a file through a link with a missing directory before ..",
    layers: [
      tar(
        dir("etc"),
        file("etc/passwd", "x"),
        symlink("l", "missing/./deep/../../../etc"),
        hardlink("p", "l/passwd"),
        file("l/new", "y"),
      ),
    ],
    tree: {
      "etc": "dir",
      "etc/new": 'file "y"',
      "etc/passwd": 'file "x"',
      "l": "link -> missing/./deep/../../../etc",
      "p": 'file = etc/passwd "x"',
    },
  },
  {
    name: "a directory that .. leaves only in part",
    layers: [tar(symlink("l", "new/missing/../sub"), file("l/f", "x"))],
    tree: {
      "l": "link -> new/missing/../sub",
      "new": "dir @0",
      "new/sub": "dir @0",
      "new/sub/f": 'file "x"',
    },
  },
];
