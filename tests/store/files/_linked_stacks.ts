/**
 * Stacks of layers in which paths lead through links, and files that the links move.
 *
 * @module
 */
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";

/** Layers, the base first, and additional paths to look up. */
export interface LinkedStack {
  readonly name: string;
  readonly layers: readonly Uint8Array[];
  readonly paths?: readonly string[];
}

const LIB = [dir("lib"), file("lib/a", "a of lib"), file("lib/b", "b of lib")];

/** The stacks. */
export const LINKED_STACKS: readonly LinkedStack[] = [
  {
    name: "hard links to files that aufs stores",
    layers: [
      tar(...LIB),
      tar(
        dir(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", "first"),
        file(".wh..wh.plnk/3.4", "second"),
        hardlink("lib/a", ".wh..wh.plnk/3.4"),
        hardlink("c", ".wh..wh.plnk/3.4"),
        hardlink("d", ".wh..wh.plnk/1.2"),
      ),
      tar(file(".wh..wh.plnk/3.4", "third"), hardlink("d", ".wh..wh.plnk/3.4"), whiteout("c")),
    ],
    paths: [".wh..wh.plnk/3.4", ".wh..wh.plnk"],
  },
  {
    name: "an upper layer writes through a link that a lower file overrides",
    layers: [
      tar(...LIB, symlink("l", "lib")),
      tar(file("l/a", "through the link")),
      tar(dir("lib"), file("lib/a", "the latest")),
    ],
  },
  {
    name: "an upper layer writes through an absolute link over a file",
    layers: [tar(...LIB, symlink("l", "/lib")), tar(file("l/a", "new"))],
  },
  {
    name: "a link that climbs out of its directory",
    layers: [
      tar(...LIB, dir("d"), dir("d/e"), symlink("d/e/l", "../../lib")),
      tar(file("d/e/l/a", "new"), file("d/e/l/c", "c")),
    ],
    paths: ["d/e/l/../lib/a", "d/e/l/c"],
  },
  {
    name: "a link that climbs above the root",
    layers: [tar(...LIB, symlink("l", "../../../lib")), tar(file("l/a", "new"))],
  },
  {
    name: "a link to a link",
    layers: [
      tar(...LIB, symlink("l", "m"), symlink("m", "lib")),
      tar(file("l/a", "new"), whiteout("m/b")),
    ],
  },
  {
    name: "a link of a lower layer that an upper layer replaces by a directory",
    layers: [tar(...LIB, symlink("l", "lib")), tar(dir("l"), file("l/a", "own"))],
  },
  {
    name: "a directory that an upper layer replaces by a link",
    layers: [
      tar(...LIB, dir("d"), file("d/x", "x")),
      tar(symlink("d", "lib")),
      tar(file("d/a", "new")),
    ],
  },
  {
    name: "a directory that replaces a link, described after its content",
    layers: [tar(...LIB, symlink("l", "lib")), tar(file("l/a", "new"), dir("l"))],
  },
  {
    name: "a whiteout of a link",
    layers: [tar(...LIB, symlink("l", "lib")), tar(whiteout("l")), tar(file("l/a", "own"))],
  },
  {
    name: "a whiteout of a link and an entry below it in the same layer",
    layers: [tar(...LIB, symlink("l", "lib")), tar(whiteout("l"), file("l/a", "own"))],
  },
  {
    name: "a whiteout through a link",
    layers: [tar(...LIB, symlink("l", "lib")), tar(whiteout("l/a"))],
  },
  {
    name: "an opaque directory behind a link",
    layers: [tar(...LIB, symlink("l", "lib")), tar(opaque("l"), file("l/c", "c"))],
  },
  {
    name: "an opaque directory whose link is in the middle",
    layers: [
      tar(...LIB),
      tar(symlink("l", "lib")),
      tar(dir("lib"), opaque("lib"), file("lib/c", "c")),
      tar(file("l/d", "d")),
    ],
  },
  {
    name: "a hard link to a file behind a link",
    layers: [tar(...LIB, symlink("l", "lib")), tar(hardlink("h", "l/a"), file("l/b", "new"))],
  },
  {
    name: "a hard link that is made behind a link",
    layers: [tar(...LIB, symlink("l", "lib")), tar(hardlink("l/h", "lib/a"))],
    paths: ["lib/h", "l/h"],
  },
  {
    name: "a hard link to a link",
    layers: [
      tar(...LIB, symlink("l", "lib"), hardlink("h", "l")),
      tar(file("h/a", "through both")),
    ],
  },
  {
    name: "dangling links and a loop",
    layers: [
      tar(symlink("gone", "nowhere/x"), symlink("a", "b"), symlink("b", "a"), symlink("up", "..")),
      tar(dir("up2"), symlink("up2/gone", "../gone")),
    ],
    paths: ["gone", "a", "a/x", "b", "up/gone", "up2/gone", "nowhere", "up/up/a"],
  },
  {
    name: "a dangling link that an upper layer writes through",
    layers: [tar(symlink("l", "new/place")), tar(file("l/a", "made"))],
    paths: ["new", "new/place", "new/place/a", "l/a"],
  },
  {
    name: "a file where an upper layer has a directory",
    layers: [tar(file("x", "a file")), tar(file("x/y", "y"))],
  },
  {
    name: "links in the path of a directory that only the middle describes",
    layers: [
      tar(dir("usr"), dir("usr/lib"), file("usr/lib/a", "base"), symlink("lib", "usr/lib")),
      tar(dir("lib"), file("lib/b", "own")),
      tar(file("lib/c", "c"), file("usr/lib/d", "d")),
    ],
  },
  {
    name: "two links to one directory in two layers",
    layers: [
      tar(...LIB, symlink("l", "lib")),
      tar(symlink("m", "l")),
      tar(file("m/a", "by m")),
      tar(file("l/a", "by l"), whiteout("m/b")),
    ],
  },
];
