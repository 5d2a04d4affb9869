import { overlayWhiteouts } from "../../../layer/mod.ts";
import { device, dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

const DEVICES = { whiteouts: overlayWhiteouts() };
const OPAQUE = "trusted.overlay.opaque=79";
const WHITEOUT = "char 600 @0 0:0";

function overlay(
  name: string,
  layer: Uint8Array,
  tree: Readonly<Record<string, string>>,
  more: Partial<LayerCase> = {},
): LayerCase {
  return {
    name: `overlay: ${name}`,
    layers: [layer],
    tree,
    only: "native",
    options: DEVICES,
    ...more,
  };
}

/** A single layer in the form of the kernel's overlay file system. */
export const OVERLAYS: readonly LayerCase[] = [
  overlay(
    "a whiteout is a device 0:0",
    tar(dir("d", { mtime: 41 }), whiteout("d/gone"), file("d/new", "x")),
    { "d": "dir @41", "d/gone": WHITEOUT, "d/new": 'file "x"' },
  ),
  overlay(
    "the parents of a whiteout are created",
    tar(whiteout("a/b/gone")),
    { "a": "dir @0", "a/b": "dir @0", "a/b/gone": WHITEOUT },
  ),
  overlay("a whiteout at the root", tar(whiteout("gone")), { "gone": WHITEOUT }),
  overlay("a whiteout twice", tar(whiteout("gone"), whiteout("gone")), { "gone": WHITEOUT }),
  overlay(
    "an opaque directory is marked, whatever the order",
    tar(dir("a"), opaque("a"), file("a/f", "x"), opaque("b"), dir("b"), dir("c"), opaque("c")),
    { "a": `dir ${OPAQUE}`, "a/f": 'file "x"', "b": `dir ${OPAQUE}`, "c": `dir ${OPAQUE}` },
  ),
  overlay(
    "an opaque mark survives a second entry of the directory",
    tar(dir("a"), opaque("a"), dir("a", { mode: 0o700 })),
    { "a": `dir 700 ${OPAQUE}` },
  ),
  overlay(
    "a file over its whiteout",
    tar(whiteout("f"), file("f", "new")),
    { "f": 'file "new"' },
  ),
  overlay(
    "a whiteout of its own file",
    tar(file("f", "new"), whiteout("f")),
    { "f": 'file "new"' },
  ),
  overlay(
    "a directory over its whiteout is opaque",
    tar(whiteout("d"), dir("d"), file("d/f", "x")),
    { "d": `dir ${OPAQUE}`, "d/f": 'file "x"' },
  ),
  overlay(
    "a whiteout of its own directory makes it opaque",
    tar(dir("d"), file("d/f", "x"), whiteout("d")),
    { "d": `dir ${OPAQUE}`, "d/f": 'file "x"' },
  ),
  overlay(
    "a directory without an entry over its whiteout is opaque",
    tar(whiteout("d"), file("d/f", "x")),
    { "d": `dir @0 ${OPAQUE}`, "d/f": 'file "x"' },
  ),
  overlay(
    "a directory over a file of the same layer is opaque",
    tar(file("d", "x"), dir("d")),
    { "d": `dir ${OPAQUE}` },
  ),
  overlay(
    "a link over its whiteout",
    tar(whiteout("l"), symlink("l", "x")),
    { "l": "link -> x" },
  ),
  overlay(
    "a hard link over its whiteout",
    tar(file("a", "x"), whiteout("b"), hardlink("b", "a")),
    { "a": 'file "x"', "b": 'file = a "x"' },
  ),
  overlay(
    "a hard link to a whiteout",
    tar(whiteout("a"), hardlink("b", "a")),
    {},
    { error: "ExtractError" },
  ),
  overlay(
    "a whiteout in an opaque directory is not needed",
    tar(dir("d"), opaque("d"), whiteout("d/gone")),
    { "d": `dir ${OPAQUE}` },
  ),
  overlay(
    "a device 0:0 of the image is not a whiteout",
    tar(device("d", "character", 0, 0, { mode: 0o640 })),
    { "d": 'file 640 ""' },
    { skipped: ["d"] },
  ),
  overlay(
    "overlay attributes in the image are skipped",
    tar(dir("d", { xattrs: { "trusted.overlay.opaque": "y", "user.overlay.opaque": "y" } })),
    { "d": "dir" },
    { skipped: ["d/", "d/"] },
  ),
  overlay(
    "marks for an unprivileged mount",
    tar(dir("d"), opaque("d"), whiteout("gone")),
    { "d": "dir user.overlay.opaque=79", "gone": WHITEOUT },
    { options: { whiteouts: overlayWhiteouts({ namespace: "user" }) } },
  ),
  overlay(
    "a whiteout as an attribute",
    tar(dir("d"), whiteout("d/gone")),
    {
      "d": "dir trusted.overlay.opaque=78",
      "d/gone": 'file 600 @0 trusted.overlay.whiteout=79 ""',
    },
    { options: { whiteouts: overlayWhiteouts({ whiteout: "xattr" }) } },
  ),
  overlay(
    "metadata of aufs is ignored",
    tar(dir(".wh..wh.plnk"), file(".wh..wh.aufs"), file("f", "x"), opaque(".wh..wh.plnk")),
    { "f": 'file "x"' },
  ),
  overlay(
    "the files that aufs stores for hard links are targets of these",
    tar(file(".wh..wh.plnk/1.2", "x"), hardlink("a", ".wh..wh.plnk/1.2")),
    { "a": 'file "x"' },
  ),
];
