import { dir, file, hardlink, opaque, symlink, tar } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** The metadata that aufs stores in the root directory. */
export const AUFS: readonly LayerCase[] = [
  {
    name: "metadata of aufs is ignored",
    layers: [tar(
      file(".wh..wh.aufs", ""),
      dir(".wh..wh.plnk"),
      file(".wh..wh.plnk/123.456", "x"),
      dir(".wh..wh.orph"),
      file("f", "x"),
    )],
    tree: { "f": 'file "x"' },
  },
  {
    name: "the files that aufs stores for hard links are targets of these",
    layers: [
      tar(dir("d", { mtime: 21 }), file("d/a", "a"), file("top", "top")),
      tar(
        dir("", { mtime: 31 }),
        dir(".wh..wh.plnk", { mode: 0o700 }),
        file(".wh..wh.plnk/1.2", "x", { mode: 0o640 }),
        file(".wh..wh.plnk/1.3", "not linked"),
        hardlink("d/a", ".wh..wh.plnk/1.2"),
        hardlink("z", "/.wh..wh.plnk/1.2"),
        opaque(""),
      ),
    ],
    tree: { ".": "dir @31", "d": "dir @0", "d/a": 'file 640 "x"', "z": 'file 640 = d/a "x"' },
  },
  {
    name: "the files that aufs stores for hard links belong to their layer only",
    layers: [
      tar(file(".wh..wh.plnk/1.2", "x"), hardlink("a", ".wh..wh.plnk/1.2")),
      tar(file(".wh..wh.plnk/1.2", "y"), hardlink("b", ".wh..wh.plnk/1.2")),
    ],
    tree: { "a": 'file "x"', "b": 'file "y"' },
  },
  {
    name: "only regular files that aufs stores are targets of hard links",
    layers: [tar(
      file(".wh..wh.plnk/1.1", "x"),
      symlink(".wh..wh.plnk/1.2", "/etc/passwd"),
      hardlink("a", ".wh..wh.plnk/1.2"),
    )],
    error: "ExtractError",
    message: "does not exist",
    tree: {},
  },
  {
    name: "a hard link to a file that aufs stored for a lower layer",
    layers: [
      tar(file(".wh..wh.plnk/1.2", "x"), hardlink("a", ".wh..wh.plnk/1.2")),
      tar(hardlink("b", ".wh..wh.plnk/1.2")),
    ],
    error: "ExtractError",
    message: "does not exist",
  },
  {
    name: "an opaque whiteout in metadata of aufs is ignored",
    layers: [tar(file("f", "x"), opaque(".wh..wh.plnk"))],
    tree: { "f": 'file "x"' },
  },
];
