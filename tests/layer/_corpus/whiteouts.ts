import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

const BASE = tar(
  dir("d", { mtime: 21 }),
  file("d/a", "a"),
  file("d/b", "b"),
  dir("d/sub", { mtime: 22 }),
  file("d/sub/c", "c"),
  file("top", "top"),
);
const BASE_TREE = {
  "d": "dir @21",
  "d/a": 'file "a"',
  "d/b": 'file "b"',
  "d/sub": "dir @22",
  "d/sub/c": 'file "c"',
  "top": 'file "top"',
};

function without(...paths: readonly string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(BASE_TREE).filter(([path]) => !paths.includes(path)));
}

/** Whiteouts in layers that are extracted over each other. */
export const WHITEOUTS: readonly LayerCase[] = [
  {
    name: "a whiteout removes a file and keeps the time of its parent",
    layers: [BASE, tar(whiteout("d/a"))],
    tree: without("d/a"),
  },
  {
    name: "a whiteout removes a directory with content",
    layers: [BASE, tar(whiteout("d"))],
    tree: { "top": 'file "top"' },
  },
  {
    name: "a whiteout at the root",
    layers: [BASE, tar(whiteout("top"))],
    tree: without("top"),
  },
  {
    name: "a whiteout of a missing entry",
    layers: [BASE, tar(whiteout("nowhere"), whiteout("no/where"))],
    tree: BASE_TREE,
  },
  {
    name: "a whiteout removes a link and not its target",
    layers: [tar(dir("d"), file("d/f", "x"), symlink("l", "d")), tar(whiteout("l"))],
    tree: { "d": "dir", "d/f": 'file "x"' },
  },
  {
    name: "a whiteout removes one of two names",
    layers: [tar(file("a", "x"), hardlink("b", "a")), tar(whiteout("a"))],
    tree: { "b": 'file "x"' },
  },
  {
    name: "a whiteout follows a link in its parent",
    layers: [tar(dir("usr"), file("usr/f", "x"), symlink("lib", "usr")), tar(whiteout("lib/f"))],
    tree: { "lib": "link -> usr", "usr": "dir" },
  },
  {
    name: "a whiteout before the new file of the same name",
    layers: [BASE, tar(whiteout("d/a"), file("d/a", "new"))],
    tree: { ...BASE_TREE, "d/a": 'file "new"' },
  },
  {
    name: "a whiteout after the new file of the same name",
    layers: [BASE, tar(file("d/a", "new"), whiteout("d/a"))],
    tree: { ...BASE_TREE, "d/a": 'file "new"' },
  },
  {
    name: "a whiteout before the new directory of the same name",
    layers: [BASE, tar(whiteout("d"), dir("d"), file("d/new", "n"))],
    tree: { "d": "dir", "d/new": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "a whiteout after the new directory of the same name",
    layers: [BASE, tar(dir("d"), file("d/new", "n"), whiteout("d"))],
    tree: { "d": "dir", "d/new": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "a whiteout between the new directory and its entries",
    layers: [BASE, tar(dir("d"), whiteout("d"), file("d/new", "n"))],
    tree: { "d": "dir", "d/new": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "a whiteout of a directory that has new content and no entry",
    layers: [
      tar(dir("d", { mode: 0o700, uid: 3 }), file("d/a", "a")),
      tar(
        file("d/new", "n"),
        whiteout("d"),
      ),
    ],
    tree: { "d": "dir @0", "d/new": 'file "n"' },
  },
  {
    name: "a whiteout of a directory before new content and no entry",
    layers: [
      tar(dir("d", { mode: 0o700, uid: 3 }), file("d/a", "a")),
      tar(
        whiteout("d"),
        file("d/new", "n"),
      ),
    ],
    tree: { "d": "dir @0", "d/new": 'file "n"' },
  },
  {
    name: "a whiteout of a directory above new content",
    layers: [BASE, tar(dir("d"), dir("d/sub"), file("d/sub/n", "n"), whiteout("d/sub"))],
    tree: {
      "d": "dir",
      "d/a": 'file "a"',
      "d/b": 'file "b"',
      "d/sub": "dir",
      "d/sub/n": 'file "n"',
      "top": 'file "top"',
    },
  },
  {
    name: "a whiteout does not remove an entry of its own layer that replaced a link",
    layers: [tar(symlink("l", "d"), dir("d")), tar(dir("l"), file("l/f", "x"), whiteout("l"))],
    tree: { "d": "dir", "l": "dir", "l/f": 'file "x"' },
  },
  {
    name: "a whiteout does not remove a hard link that its own layer made",
    layers: [tar(file("a", "x"), file("b", "old")), tar(hardlink("b", "a"), whiteout("b"))],
    tree: { "a": 'file "x"', "b": 'file = a "x"' },
  },
  {
    name: "a whiteout twice",
    layers: [BASE, tar(whiteout("d/a"), whiteout("d/a"))],
    tree: without("d/a"),
  },
  {
    name: "a whiteout, and the file again in the next layer",
    layers: [BASE, tar(whiteout("d/a")), tar(file("d/a", "again"))],
    tree: { ...BASE_TREE, "d/a": 'file "again"' },
  },
  {
    name: "an entry of one layer is removed by the next one",
    layers: [BASE, tar(file("d/new", "n")), tar(whiteout("d/new"))],
    tree: BASE_TREE,
  },
  {
    name: "a whiteout in the base layer",
    layers: [tar(file("a", "x"), whiteout("a"), whiteout("b"), opaque(""))],
    tree: { "a": 'file "x"' },
  },
  {
    name: "a whiteout that is a directory, or has content, is a whiteout",
    layers: [BASE, tar(dir("d/.wh.a"), file("d/.wh.b", "content"))],
    tree: without("d/a", "d/b"),
  },
  {
    name: "an opaque directory, marked first",
    layers: [BASE, tar(dir("d"), opaque("d"), file("d/new", "n"))],
    tree: { "d": "dir", "d/new": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "an opaque directory, marked last",
    layers: [BASE, tar(dir("d"), file("d/new", "n"), opaque("d"))],
    tree: { "d": "dir", "d/new": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "an opaque directory without an entry keeps its metadata",
    layers: [BASE, tar(opaque("d"))],
    tree: { "d": "dir @21", "top": 'file "top"' },
  },
  {
    name: "an opaque directory keeps the entries that the layer replaced in it",
    layers: [BASE, tar(file("d/a", "new"), opaque("d"))],
    tree: { "d": "dir @21", "d/a": 'file "new"', "top": 'file "top"' },
  },
  {
    name: "an opaque directory also hides lower entries in merged directories",
    layers: [BASE, tar(dir("d"), dir("d/sub"), file("d/sub/n", "n"), opaque("d"))],
    tree: { "d": "dir", "d/sub": "dir", "d/sub/n": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "an opaque directory keeps new content deep below, and implies its parents",
    layers: [BASE, tar(file("d/sub/n", "n"), opaque("d"))],
    tree: { "d": "dir @21", "d/sub": "dir @0", "d/sub/n": 'file "n"', "top": 'file "top"' },
  },
  {
    name: "an opaque directory that does not exist",
    layers: [BASE, tar(opaque("nowhere"))],
    tree: BASE_TREE,
  },
  {
    name: "an opaque root keeps the entries of its layer",
    layers: [BASE, tar(file("new", "n"), opaque(""), dir("d"))],
    tree: { "d": "dir", "new": 'file "n"' },
  },
  {
    name: "an opaque whiteout of a directory reached through a link",
    layers: [tar(dir("usr"), file("usr/a", "x"), symlink("lib", "usr")), tar(opaque("lib"))],
    tree: { "lib": "link -> usr", "usr": "dir" },
  },
  {
    name: "an opaque whiteout after a whiteout in the same directory",
    layers: [BASE, tar(dir("d"), whiteout("d/a"), opaque("d"), file("d/a", "new"))],
    tree: { "d": "dir", "d/a": 'file "new"', "top": 'file "top"' },
  },
  {
    name: "a whiteout without a name is malformed",
    layers: [BASE, tar(file("d/.wh.", ""))],
    error: "ExtractError",
    message: "has no name",
  },
  {
    name: "a file in a directory that is named like a whiteout is a file",
    layers: [BASE, tar(file("d/.wh.a/b", "x"), file(".wh..b/.wh.../f", "y"))],
    tree: {
      ...BASE_TREE,
      ".wh..b": "dir @0",
      ".wh..b/.wh...": "dir @0",
      ".wh..b/.wh.../f": 'file "y"',
      "d/.wh.a": "dir @0",
      "d/.wh.a/b": 'file "x"',
    },
  },
  {
    name: "a directory that is named like a whiteout is one, and exists with a file in it",
    layers: [BASE, tar(dir("d/.wh.a"), file("d/.wh.a/b", "x"), file("d/.wh..wh.plnk/1.2", "y"))],
    tree: {
      ...without("d/a"),
      "d/.wh..wh.plnk": "dir @0",
      "d/.wh..wh.plnk/1.2": 'file "y"',
      "d/.wh.a": "dir @0",
      "d/.wh.a/b": 'file "x"',
    },
  },
  {
    name: "a directory that is named like a whiteout can be hidden",
    layers: [BASE, tar(file("d/.wh.b/f", "x")), tar(whiteout("d/.wh.b"))],
    tree: BASE_TREE,
  },
  {
    name: "three layers of whiteouts and files",
    layers: [
      BASE,
      tar(whiteout("d"), dir("e"), file("e/one", "1")),
      tar(dir("d"), file("d/two", "2"), opaque("e"), file("e/three", "3")),
    ],
    tree: {
      "d": "dir",
      "d/two": 'file "2"',
      "e": "dir",
      "e/three": 'file "3"',
      "top": 'file "top"',
    },
  },
];
