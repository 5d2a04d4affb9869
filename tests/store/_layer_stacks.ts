/**
 * Stacks of layers whose flattened trees must not depend on the method.
 *
 * @module
 */
import {
  device,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from "../_support/tar.ts";

const FUSE_WHITEOUTS = "it takes such a directory of its lower layers for a whiteout";

/** Layers, the base first, and their description. */
export interface LayerStack {
  readonly name: string;
  readonly layers: readonly Uint8Array[];
  /** Reason why umoci creates a different tree, if it does. */
  readonly umociDiffers?: string;
  /** Reason why fuse-overlayfs shows a different tree, if it does. */
  readonly fuseDiffers?: string;
}

const USR = [dir("usr"), dir("usr/bin"), dir("usr/lib")];
const BASE = tar(
  ...USR,
  dir("etc"),
  dir("tmp", { mode: 0o1777 }),
  dir("home", { uid: 5, gid: 6, mode: 0o750 }),
  file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
  file("etc/shadow", "secret", { mode: 0o640, gid: 42 }),
  file("usr/bin/tool", "base", { mode: 0o4755 }),
  file("usr/lib/a.so", "a"),
  file("usr/lib/b.so", "b"),
);

/** Stacks written by hand. */
export const NAMED_STACKS: readonly LayerStack[] = [
  { name: "one layer", layers: [BASE] },
  { name: "an empty layer on top", layers: [BASE, tar()] },
  {
    name: "whiteouts in missing directories of the base",
    layers: [tar(dir("etc"), whiteout("no/where"), opaque("not/there")), tar(file("b", "b"))],
  },
  {
    name: "whiteouts in missing directories beside an opaque root",
    layers: [BASE, tar(opaque(""), file("a/b", "b"), whiteout("usr/lib/a.so"), opaque("etc/x"))],
  },
  {
    name: "an entry behind a link beside an opaque root",
    layers: [tar(symlink("b", "x")), tar(file("b/a", "a"), opaque(""))],
  },
  {
    name: "a link in place of a directory that the layer only implied",
    layers: [tar(file("c/d/b", "b")), tar(dir("c/d/e"), symlink("c", "x"))],
  },
  {
    name: "a file in place of a directory that the layer only implied",
    layers: [tar(file("c/d/b", "b")), tar(dir("c/d/e"), file("c", "c"))],
  },
  {
    name: "directories of the base with the names of whiteouts",
    layers: [tar(dir(".wh.a"), dir("d"), dir("d/.wh.b"), dir(".wh.c"), file(".wh.c/e", "e"))],
    fuseDiffers: FUSE_WHITEOUTS,
  },
  {
    name: "a file that is removed",
    layers: [BASE, tar(dir("etc"), whiteout("etc/shadow"))],
  },
  {
    name: "a file that is removed and comes back",
    layers: [
      BASE,
      tar(dir("etc"), whiteout("etc/shadow")),
      tar(dir("etc"), file("etc/shadow", "new")),
    ],
  },
  {
    name: "a directory that is removed",
    layers: [BASE, tar(dir("usr"), whiteout("usr/lib"))],
  },
  {
    name: "a directory that is removed and comes back in a later layer",
    layers: [
      BASE,
      tar(dir("usr"), whiteout("usr/lib")),
      tar(dir("usr"), dir("usr/lib"), file("usr/lib/c.so", "c")),
    ],
  },
  {
    name: "a directory that is removed and comes back in the same layer",
    layers: [
      BASE,
      tar(dir("usr"), whiteout("usr/lib"), dir("usr/lib"), file("usr/lib/c.so", "c")),
    ],
  },
  {
    name: "a directory that comes back before its whiteout",
    layers: [
      BASE,
      tar(dir("usr"), dir("usr/lib"), file("usr/lib/c.so", "c"), whiteout("usr/lib")),
    ],
    umociDiffers: "it heeds a whiteout where it stands",
  },
  {
    name: "an opaque directory",
    layers: [
      BASE,
      tar(dir("usr"), dir("usr/lib"), opaque("usr/lib"), file("usr/lib/c.so", "c")),
    ],
  },
  {
    name: "an opaque directory whose mark comes last",
    layers: [
      BASE,
      tar(dir("usr"), dir("usr/lib"), file("usr/lib/a.so", "A"), opaque("usr/lib")),
    ],
  },
  {
    name: "an opaque directory below which there is more",
    layers: [
      tar(dir("a"), dir("a/b"), dir("a/b/c"), file("a/b/c/old", "1"), file("a/b/old", "2")),
      tar(dir("a"), dir("a/b"), opaque("a/b"), dir("a/b/c"), file("a/b/c/new", "3")),
      tar(dir("a"), dir("a/b"), dir("a/b/c"), file("a/b/c/newer", "4")),
    ],
  },
  {
    name: "a root that is opaque",
    layers: [BASE, tar(opaque(""), dir("only"), file("only/this", "1"))],
  },
  {
    name: "a root that is opaque, under another layer",
    layers: [BASE, tar(opaque(""), dir("etc"), file("etc/motd", "1")), tar(dir("srv"))],
  },
  {
    name: "a root that is opaque through a link",
    layers: [BASE, tar(symlink("all", "."), opaque("all"), file("only", "1"))],
  },
  {
    name: "a file in place of a directory",
    layers: [BASE, tar(dir("usr"), file("usr/lib", "now a file"))],
  },
  {
    name: "a directory in place of a file",
    layers: [BASE, tar(dir("etc"), dir("etc/shadow"), file("etc/shadow/x", "1"))],
  },
  {
    name: "a directory in place of a file in place of a directory",
    layers: [
      BASE,
      tar(dir("usr"), file("usr/lib", "file")),
      tar(dir("usr"), dir("usr/lib"), file("usr/lib/c.so", "c")),
    ],
  },
  {
    name: "a symbolic link in place of a directory",
    layers: [BASE, tar(dir("usr"), dir("usr/lib64"), symlink("usr/lib", "lib64"))],
  },
  {
    name: "a directory in place of a symbolic link",
    layers: [
      tar(dir("usr"), dir("usr/bin"), file("usr/bin/sh", "sh"), symlink("bin", "usr/bin")),
      tar(dir("bin"), file("bin/other", "1")),
    ],
  },
  {
    name: "a file under a symbolic link of a lower layer",
    layers: [
      tar(dir("usr"), dir("usr/bin"), file("usr/bin/sh", "sh"), symlink("bin", "usr/bin")),
      tar(file("bin/other", "1")),
    ],
  },
  {
    name: "a file under an absolute symbolic link of a lower layer",
    layers: [
      tar(dir("usr"), dir("usr/bin"), symlink("bin", "/usr/bin")),
      tar(file("bin/other", "1")),
    ],
  },
  {
    name: "a whiteout under a symbolic link of a lower layer",
    layers: [
      tar(dir("usr"), dir("usr/bin"), file("usr/bin/sh", "sh"), symlink("bin", "usr/bin")),
      tar(whiteout("bin/sh")),
    ],
  },
  {
    name: "a file in directories that only lower layers describe",
    layers: [BASE, tar(file("tmp/left", "1"), file("home/me/file", "2"))],
  },
  {
    name: "directories that no layer describes",
    layers: [tar(file("a/b/c", "1")), tar(file("a/b/d", "2"))],
  },
  {
    name: "a whiteout in a directory that no layer has",
    layers: [BASE, tar(whiteout("nowhere/nothing"))],
  },
  {
    name: "hard links in one layer",
    layers: [tar(dir("d"), file("d/one", "same"), hardlink("d/two", "d/one")), tar(dir("e"))],
  },
  {
    name: "a hard link into a lower layer",
    layers: [BASE, tar(dir("usr"), dir("usr/bin"), hardlink("usr/bin/link", "usr/bin/tool"))],
  },
  {
    name: "a hard link two layers down, over a whiteout between",
    layers: [
      BASE,
      tar(dir("usr"), dir("usr/lib"), whiteout("usr/lib/b.so")),
      tar(dir("opt"), hardlink("opt/a", "usr/lib/a.so"), hardlink("opt/b", "opt/a")),
    ],
  },
  {
    name: "one of two hard links that is replaced",
    layers: [
      tar(dir("d"), file("d/one", "same"), hardlink("d/two", "d/one")),
      tar(dir("d"), file("d/two", "other")),
    ],
  },
  {
    name: "hard links whose targets climb above the root",
    layers: [
      BASE,
      tar(dir("usr"), dir("usr/bin"), hardlink("usr/bin/link", "../../usr/bin/tool")),
      tar(dir("d"), file("d/one", "same"), hardlink("d/two", "d/../../d/one")),
    ],
  },
  {
    name: "a file in a directory that is named like a whiteout",
    layers: [
      tar(dir("d"), file("d/x", "stays"), file("y", "stays")),
      tar(dir("d"), file("d/.wh.x/f", "1"), file(".wh.y/f", "2")),
      tar(dir("d"), file("d/.wh.x/g", "3")),
    ],
    fuseDiffers: FUSE_WHITEOUTS,
  },
  {
    name: "a whiteout that is a directory with a file in it",
    layers: [
      tar(dir("d"), dir("d/x"), file("d/x/old", "goes")),
      tar(dir("d"), dir("d/.wh.x"), file("d/.wh.x/f", "1")),
    ],
    fuseDiffers: FUSE_WHITEOUTS,
  },
  {
    name: "a whiteout of a directory that is named like a whiteout",
    layers: [
      tar(dir("d"), file("d/.wh.x/f", "1"), file("d/x", "stays")),
      tar(dir("d"), file("d/.wh..wh.x", "")),
    ],
    fuseDiffers: FUSE_WHITEOUTS,
  },
  {
    name: "metadata that changes",
    layers: [
      BASE,
      tar(
        dir("home", { uid: 7, gid: 8, mode: 0o700, mtime: 1_600_000_000 }),
        dir("usr"),
        dir("usr/bin", { mode: 0o2755 }),
        file("usr/bin/tool", "base", { mode: 0o755, mtime: "1600000001.25" }),
      ),
    ],
  },
  {
    name: "every type of entry, and attributes",
    layers: [
      tar(
        dir(".", { mode: 0o755, mtime: 1_500_000_000 }),
        dir("dev"),
        device("dev/null", "character", 1, 3, { mode: 0o666 }),
        device("dev/loop0", "block", 7, 0),
        fifo("dev/pipe"),
        file("cap", "x", { mode: 0o755, xattrs: { "user.note": "value" } }),
      ),
      tar(dir("dev"), file("dev/null", "a file now"), device("dev/pipe", "character", 5, 1)),
    ],
  },
  {
    name: "a layer that occurs twice",
    layers: [
      BASE,
      tar(dir("etc"), file("etc/passwd", "twice")),
      tar(dir("etc"), whiteout("etc/passwd")),
      tar(dir("etc"), file("etc/passwd", "twice")),
    ],
  },
  {
    name: "empty layers between others",
    layers: [tar(), BASE, tar(), tar(dir("etc"), file("etc/x", "1")), tar()],
  },
];

/** Generates stacks of layers, the same for the same seed. */
export function randomStack(seed: number): LayerStack {
  let state = seed * 2_654_435_761 >>> 0;
  const next = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(state / 2 ** 32 * below);
  };
  const pick = <T>(items: readonly T[]): T => items[next(items.length)] as T;
  const layers = Array.from({ length: 2 + next(5) }, (_, index) => {
    const entries: Uint8Array[] = [];
    const described = new Set<string>();
    const describe = (path: string) => {
      // Most layers describe the directories of their entries; some do not.
      if (path === "" || described.has(path)) return;
      described.add(path);
      describe(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
      entries.push(dir(path, { mode: pick([0o755, 0o750, 0o1777]), uid: next(3) }));
    };
    for (let count = 1 + next(8); count > 0; count--) {
      const parent = pick(["", "a", "b", "a/b", "a/b/c"]);
      if (next(4) > 0) describe(parent);
      const path = (parent === "" ? "" : `${parent}/`) + pick(["x", "y", "z"]);
      const kind = next(index === 0 ? 4 : 7);
      if (described.has(path)) continue;
      if (kind === 0) entries.push(symlink(path, pick(["/a", "../b", "x"])));
      else if (kind <= 3) entries.push(file(path, `${seed} ${index} ${count}`));
      else if (kind === 4) describe(path);
      else if (kind === 5) entries.push(whiteout(path));
      else if (parent !== "") entries.push(opaque(parent));
    }
    return tar(...entries);
  });
  return { name: `seed ${seed}`, layers };
}
