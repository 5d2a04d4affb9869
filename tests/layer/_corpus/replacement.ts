import { device, dir, fifo, file, hardlink, symlink, tar } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** Entries at the paths of existing ones. */
export const REPLACEMENT: readonly LayerCase[] = [
  {
    name: "a file over a file",
    layers: [tar(file("f", "old", { mode: 0o600, uid: 4 })), tar(file("f", "new"))],
    tree: { "f": 'file "new"' },
  },
  {
    name: "a file over a file of the same layer: the last one wins",
    layers: [tar(file("f", "first and longer"), file("f", "last"))],
    tree: { "f": 'file "last"' },
  },
  {
    name: "a file over a symbolic link leaves its target alone",
    layers: [
      tar(dir("bin"), file("bin/bash", "bash"), symlink("bin/sh", "bash")),
      tar(file("bin/sh", "dash")),
    ],
    tree: { "bin": "dir", "bin/bash": 'file "bash"', "bin/sh": 'file "dash"' },
  },
  {
    name: "a file over a hard link leaves the other name alone",
    layers: [tar(file("a", "one"), hardlink("b", "a")), tar(file("b", "two"))],
    tree: { "a": 'file "one"', "b": 'file "two"' },
  },
  {
    name: "a file over a hard link of the same layer",
    layers: [tar(file("a", "one"), hardlink("b", "a"), file("a", "two"))],
    tree: { "a": 'file "two"', "b": 'file "one"' },
  },
  {
    name: "a file over an empty directory",
    layers: [tar(dir("d")), tar(file("d", "x"))],
    tree: { "d": 'file "x"' },
  },
  {
    name: "a file over a directory with content",
    layers: [tar(dir("d"), dir("d/e"), file("d/e/f", "x")), tar(file("d", "x"))],
    tree: { "d": 'file "x"' },
  },
  {
    name: "a file over a directory of the same layer",
    layers: [tar(dir("d"), file("d/f", "x"), file("d", "y"))],
    tree: { "d": 'file "y"' },
  },
  {
    name: "a file over a FIFO does not wait for a reader",
    layers: [tar(fifo("p")), tar(file("p", "x"))],
    tree: { "p": 'file "x"' },
  },
  {
    name: "a file over a device does not write to it",
    layers: [tar(device("full", "character", 1, 7)), tar(file("full", "x"))],
    tree: { "full": 'file "x"' },
  },
  {
    name: "a symbolic link over a file",
    layers: [tar(file("f", "x")), tar(symlink("f", "target"))],
    tree: { "f": "link -> target" },
  },
  {
    name: "a symbolic link over a symbolic link",
    layers: [tar(symlink("l", "one")), tar(symlink("l", "two"))],
    tree: { "l": "link -> two" },
  },
  {
    name: "a symbolic link over a link to a directory replaces the link",
    layers: [tar(dir("d"), symlink("l", "d")), tar(symlink("l", "e"))],
    tree: { "d": "dir", "l": "link -> e" },
  },
  {
    name: "a symbolic link over a directory with content",
    layers: [tar(dir("lib"), file("lib/a", "x"), dir("usr")), tar(symlink("lib", "usr"))],
    tree: { "lib": "link -> usr", "usr": "dir" },
  },
  {
    name: "a hard link over a file",
    layers: [tar(file("a", "one"), file("b", "two")), tar(hardlink("b", "a"))],
    tree: { "a": 'file "one"', "b": 'file = a "one"' },
  },
  {
    name: "a hard link over a directory with content",
    layers: [tar(file("a", "one"), dir("b"), file("b/c", "x")), tar(hardlink("b", "a"))],
    tree: { "a": 'file "one"', "b": 'file = a "one"' },
  },
  {
    name: "a hard link over a symbolic link to its target",
    layers: [tar(file("a", "one"), symlink("b", "a")), tar(hardlink("b", "a"))],
    tree: { "a": 'file "one"', "b": 'file = a "one"' },
  },
  {
    name: "a directory over a file",
    layers: [tar(file("d", "x")), tar(dir("d"), file("d/f", "y"))],
    tree: { "d": "dir", "d/f": 'file "y"' },
  },
  {
    name: "a directory over a directory keeps the content and takes the metadata",
    layers: [
      tar(dir("d", { mode: 0o700, uid: 5 }), file("d/old", "x")),
      tar(dir("d", { mode: 0o711, gid: 6, mtime: 9 }), file("d/new", "y")),
    ],
    tree: { "d": "dir 711 0:6 @9", "d/new": 'file "y"', "d/old": 'file "x"' },
  },
  {
    name: "a directory over a directory removes attributes that its entry lacks",
    layers: [
      tar(dir("d", { xattrs: { "user.old": "1", "user.both": "1" } })),
      tar(dir("d", { xattrs: { "user.both": "2" } })),
    ],
    tree: { "d": "dir user.both=32" },
    pure: { tree: { "d": "dir" }, skipped: ["d/", "d/", "d/"] },
  },
  {
    name: "a directory twice in a layer: the last one wins",
    layers: [tar(dir("d", { mode: 0o700 }), file("d/f", "x"), dir("d", { mode: 0o750 }))],
    tree: { "d": "dir 750", "d/f": 'file "x"' },
  },
  {
    name: "a directory over a link to a directory replaces the link",
    layers: [
      tar(dir("usr"), file("usr/a", "x"), symlink("lib", "usr")),
      tar(dir("lib"), file("lib/b", "y")),
    ],
    tree: { "lib": "dir", "lib/b": 'file "y"', "usr": "dir", "usr/a": 'file "x"' },
  },
  {
    name: "a directory over a link to a directory keeps the link with keepDirlinks",
    layers: [
      tar(dir("usr", { mode: 0o700 }), file("usr/a", "x"), symlink("lib", "usr")),
      tar(dir("lib", { mode: 0o711 }), file("lib/b", "y")),
    ],
    options: { keepDirlinks: true },
    tree: {
      "lib": "link -> usr",
      "usr": "dir 711",
      "usr/a": 'file "x"',
      "usr/b": 'file "y"',
    },
  },
  {
    name: "a directory over a dangling link replaces it even with keepDirlinks",
    layers: [tar(symlink("lib", "nowhere")), tar(dir("lib"))],
    options: { keepDirlinks: true },
    tree: { "lib": "dir" },
  },
  {
    name: "a directory over a link to a file replaces it even with keepDirlinks",
    layers: [tar(file("f", "x"), symlink("lib", "f")), tar(dir("lib"))],
    options: { keepDirlinks: true },
    tree: { "f": 'file "x"', "lib": "dir" },
  },
  {
    name: "a FIFO over a directory",
    layers: [tar(dir("p"), file("p/f", "x")), tar(fifo("p"))],
    tree: { "p": "fifo" },
  },
  {
    name: "a file in place of a parent is replaced with a directory",
    layers: [tar(file("a", "x")), tar(file("a/b", "y"))],
    tree: { "a": "dir @0", "a/b": 'file "y"' },
  },
  {
    name: "a file in place of a parent, in the same layer",
    layers: [tar(file("a", "x"), file("a/b/c", "y"))],
    tree: { "a": "dir @0", "a/b": "dir @0", "a/b/c": 'file "y"' },
  },
  {
    name: "a directory that becomes a file and a directory again is empty",
    layers: [tar(dir("d"), file("d/f", "x")), tar(file("d", "y"), dir("d"))],
    tree: { "d": "dir" },
  },
  {
    name: "a parent of a lower layer keeps its times when its content changes",
    layers: [
      tar(dir("d", { mtime: 11 }), dir("d/e", { mtime: 12 }), file("d/e/f", "x")),
      tar(file("d/e/g", "y")),
      tar(file("d/e/f", "z")),
    ],
    tree: {
      "d": "dir @11",
      "d/e": "dir @12",
      "d/e/f": 'file "z"',
      "d/e/g": 'file "y"',
    },
  },
];
