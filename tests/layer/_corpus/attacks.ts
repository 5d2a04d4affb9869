import { device, dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** Layers that try to read, change or remove files outside of the root. */
export const ATTACKS: readonly LayerCase[] = [
  {
    name: "a name with leading .. is resolved inside the root",
    layers: [tar(file("../outside/secret", "pwned"), file("../../../../../../etc/x", "pwned"))],
    tree: {
      "etc": "dir @0",
      "etc/x": 'file "pwned"',
      "outside": "dir @0",
      "outside/secret": 'file "pwned"',
    },
  },
  {
    name: "a name that leaves a directory with .. is resolved inside the root",
    layers: [tar(dir("a"), file("a/../../outside/secret", "pwned"))],
    tree: { "a": "dir", "outside": "dir @0", "outside/secret": 'file "pwned"' },
  },
  {
    name: "an absolute name of a file outside",
    layers: (outside) => [tar(file(`${outside}/secret`, "pwned"))],
  },
  {
    name: "a directory with a leading ..",
    layers: [tar(dir("../outside", { mode: 0o777, uid: 66 }))],
    tree: { "outside": "dir 777 66:0" },
  },
  {
    name: "a file through an absolute link that leads out",
    layers: (outside) => [tar(symlink("l", outside), file("l/secret", "pwned"))],
  },
  {
    name: "a file through a relative link that leads out",
    layers: [tar(symlink("l", "../outside"), file("l/secret", "pwned"))],
    tree: {
      "l": "link -> ../outside",
      "outside": "dir @0",
      "outside/secret": 'file "pwned"',
    },
  },
  {
    name: "a file through a link to the root of the machine",
    layers: [tar(symlink("l", "/"), file("l/etc/passwd", "pwned"))],
    tree: { "etc": "dir @0", "etc/passwd": 'file "pwned"', "l": "link -> /" },
  },
  {
    name: "a file through a chain of links that leads out",
    layers: [
      tar(
        dir("a"),
        symlink("a/b", "../c"),
        symlink("c", "d/.."),
        symlink("d", "../outside"),
        file("a/b/secret", "pwned"),
      ),
    ],
    tree: {
      "a": "dir",
      "a/b": "link -> ../c",
      "c": "link -> d/..",
      "d": "link -> ../outside",
      "secret": 'file "pwned"',
    },
  },
  {
    name: "a file over a link that leads out",
    layers: (outside) => [tar(symlink("l", `${outside}/secret`), file("l", "mine"))],
    tree: { "l": 'file "mine"' },
  },
  {
    name: "a file over a link that leads out, in the next layer",
    layers: (outside) => [tar(symlink("l", `${outside}/secret`)), tar(file("l", "mine"))],
    tree: { "l": 'file "mine"' },
  },
  {
    name: "a new file through a link that dangles outside",
    layers: (outside) => [tar(symlink("l", `${outside}/new`), file("l", "mine"))],
    tree: { "l": 'file "mine"' },
  },
  {
    name: "a directory over a link that leads out does not change its target",
    layers: (outside) => [tar(symlink("l", outside), dir("l", { mode: 0o777, uid: 66 }))],
    tree: { "l": "dir 777 66:0" },
  },
  {
    name: "a directory over a link that leads out, with links kept",
    layers: (outside) => [tar(symlink("l", outside), dir("l", { mode: 0o777, uid: 66 }))],
    options: { keepDirlinks: true },
    tree: { "l": "dir 777 66:0" },
  },
  {
    name: "mode, owner and time of a link that leads out",
    layers: (outside) => [
      tar(symlink("l", `${outside}/secret`, { mode: 0o4777, uid: 66, gid: 66, mtime: 1 })),
    ],
  },
  {
    name: "attributes of a link that leads out",
    layers: (outside) => [
      tar(symlink("l", `${outside}/secret`, { xattrs: { "trusted.evil": "1", "user.evil": "1" } })),
    ],
  },
  {
    name: "a link in place of the root (CVE-2021-29136)",
    layers: (outside) => [tar(symlink(".", outside), file("secret", "pwned"))],
    error: "PathEscapeError",
  },
  {
    name: "a link in place of the root, named /",
    layers: (outside) => [tar(symlink("/", outside), file("secret", "pwned"))],
    error: "PathEscapeError",
  },
  {
    name: "a link in place of the root, named by ..",
    layers: (outside) => [tar(symlink("a/..", outside), file("secret", "pwned"))],
    tree: { "secret": 'file "pwned"' },
    skipped: ["a/.."],
  },
  {
    name: "a file in place of the root",
    layers: [tar(file("./", "pwned"))],
    error: "PathEscapeError",
  },
  {
    name: "a hard link in place of the root",
    layers: [tar(file("f", "x"), hardlink(".", "f"))],
    error: "PathEscapeError",
  },
  {
    name: "a device in place of the root",
    layers: [tar(device(".", "block", 8, 0))],
    error: "PathEscapeError",
  },
  {
    name: "a hard link to an absolute name outside",
    layers: (outside) => [tar(hardlink("l", `${outside}/secret`))],
    error: "ExtractError",
  },
  {
    name: "a hard link to /etc/passwd of the machine",
    layers: [tar(hardlink("l", "/etc/passwd"))],
    error: "ExtractError",
  },
  {
    name: "a hard link whose target has a leading ..",
    layers: [tar(hardlink("l", "../outside/secret"))],
    error: "ExtractError",
    message: "does not exist",
  },
  {
    name: "a hard link whose target has .. is resolved inside the root",
    layers: [
      tar(dir("etc"), file("etc/f", "in"), hardlink("a", "../../etc/f")),
      tar(hardlink("etc/b", "x/../../etc/../../etc/f")),
    ],
    tree: { "a": 'file "in"', "etc": "dir", "etc/b": 'file = a "in"', "etc/f": 'file = a "in"' },
  },
  {
    name: "a hard link whose target leaves a directory with ..",
    layers: [tar(dir("a"), hardlink("a/l", "a/../../outside/secret"))],
    error: "ExtractError",
    message: "does not exist",
  },
  {
    name: "a hard link through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside), hardlink("l", "d/secret"))],
    error: "ExtractError",
  },
  {
    name: "a hard link through a relative link that leads out",
    layers: [tar(symlink("d", "../outside"), hardlink("l", "d/secret"))],
    error: "ExtractError",
  },
  {
    name: "a hard link to a link that leads out, then a file over it (CVE-2026-26960)",
    layers: (outside) => [
      tar(symlink("a", `${outside}/secret`), hardlink("b", "a"), file("b", "mine")),
    ],
  },
  {
    name: "a hard link to a link that leads out, with a chain of links (CVE-2026-26960)",
    layers: (outside) => [
      tar(
        dir("x"),
        symlink("x/up", ".."),
        symlink("out", `x/up/../outside`),
        symlink("abs", `${outside}/secret`),
        hardlink("b", "out/secret"),
      ),
    ],
    error: "ExtractError",
  },
  {
    name: "a hard link and then a change of its content leaves the first name alone",
    layers: [tar(file("a", "one"), hardlink("b", "a"), file("b", "two", { mode: 0o777, uid: 66 }))],
    tree: { "a": 'file "one"', "b": 'file 777 66:0 "two"' },
  },
  {
    name: "a hard link created through a link that leads out",
    layers: (outside) => [tar(file("a", "x"), symlink("d", outside), hardlink("d/planted", "a"))],
  },
  {
    name: "a symbolic link created through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside), symlink("d/planted", "x"))],
  },
  {
    name: "a directory created through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside), dir("d/planted"))],
  },
  {
    name: "a device created through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside), device("d/planted", "character", 1, 3))],
  },
  {
    name: "a whiteout of ..",
    layers: [tar(file(".wh...", ""))],
    error: "PathEscapeError",
  },
  {
    name: "a whiteout of .. in a directory",
    layers: [tar(dir("d"), file("d/.wh...", ""))],
    error: "PathEscapeError",
  },
  {
    name: "a whiteout of .",
    layers: [tar(dir("d"), file("d/.wh..", ""))],
    error: "PathEscapeError",
  },
  {
    name: "a whiteout with a leading ..",
    layers: [tar(file("f", "x")), tar(whiteout("../outside/secret"), whiteout("../../outside"))],
    tree: { "f": 'file "x"' },
  },
  {
    name: "a whiteout through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside)), tar(whiteout("d/secret"))],
  },
  {
    name: "a whiteout through a link that leads out, in one layer",
    layers: [tar(symlink("d", "../outside"), whiteout("d/secret"))],
    tree: { "d": "link -> ../outside" },
  },
  {
    name: "a whiteout of a link that leads out",
    layers: (outside) => [tar(symlink("d", outside)), tar(whiteout("d"))],
    tree: {},
  },
  {
    name: "an opaque whiteout through a link that leads out",
    layers: (outside) => [tar(symlink("d", outside)), tar(opaque("d"))],
  },
  {
    name: "an opaque whiteout with a leading .. only hides the content of the root",
    layers: [tar(file("f", "x")), tar(opaque("../.."))],
    tree: {},
  },
  {
    name: "an opaque whiteout of the root",
    layers: [tar(file("f", "x")), tar(opaque("/"))],
    tree: {},
  },
  {
    name: "a loop of links in a parent",
    layers: [tar(symlink("a", "b"), symlink("b", "a"), file("a/f", "x"))],
    error: "ExtractError",
  },
  {
    name: "a link to itself in a parent",
    layers: [tar(symlink("a", "a"), file("a/f", "x"))],
    error: "ExtractError",
  },
  {
    name: "a link to itself is an ordinary link",
    layers: [tar(symlink("a", "a"))],
    tree: { "a": "link -> a" },
  },
  {
    name: "a device whose truncated number would be that of a whiteout",
    layers: [tar(device("gone", "character", 4096, 0))],
    error: "ExtractError",
  },
  {
    name: "a device whose number is negative",
    layers: [tar(device("null", "block", 1, -1))],
    error: "ExtractError",
  },
  {
    name: "an owner ID that means no change",
    layers: [tar(file("f", "x", { uid: 0xffffffff }))],
    error: "OwnershipError",
  },
  {
    name: "an owner ID of more than 32 bits, which would become root",
    layers: [tar(file("f", "x", { gid: 2 ** 32 }))],
    error: "OwnershipError",
  },
  {
    name: "a file over /dev/null does not write to the device of the host",
    layers: [
      tar(dir("dev"), device("dev/null", "character", 1, 3)),
      tar(file("dev/null", "not to the machine's device")),
    ],
    tree: { "dev": "dir", "dev/null": 'file "not to the machine\'s device"' },
  },
  {
    name: "names that collide if letters are folded (CVE-2026-23950)",
    layers: (outside) => [
      tar(symlink("collapse-ß", outside), dir("collapse-ss"), file("collapse-ss/secret", "mine")),
    ],
  },
  {
    name: "names that collide if case is folded",
    layers: (outside) => [tar(symlink("A", outside), file("a/secret", "mine"))],
  },
  {
    name: "names that collide if accents are composed",
    layers: (outside) => [
      tar(symlink("caf\u00e9", outside), dir("cafe\u0301"), file("cafe\u0301/secret", "mine")),
    ],
  },
  {
    name: "a directory is replaced with a link between two of its files",
    layers: (outside) => [
      tar(dir("d"), file("d/one", "1"), symlink("d", outside), file("d/secret", "pwned")),
    ],
  },
  {
    name: "a link is replaced with a directory, and that with a link again",
    layers: (outside) => [
      tar(
        symlink("d", outside),
        dir("d"),
        file("d/one", "1"),
        whiteout("d"),
        symlink("d", outside),
        file("d/secret", "pwned"),
      ),
    ],
  },
  {
    name: "a parent is replaced with a link in a later layer",
    layers: (outside) => [
      tar(dir("a"), dir("a/b"), file("a/b/secret", "x")),
      tar(symlink("a/b", outside)),
      tar(file("a/b/secret", "pwned"), whiteout("a/b/other")),
    ],
  },
  {
    name: "times of a directory that became a link",
    layers: (outside) => [
      tar(dir("d", { mode: 0o777, mtime: 1, uid: 66 }), symlink("d", outside)),
    ],
  },
  {
    name: "a directory with attributes that became a link",
    layers: (outside) => [
      tar(dir("d", { xattrs: { "user.evil": "1" } }), file("d/f", "x"), symlink("d", outside)),
    ],
  },
  {
    name: "a name with a NUL byte, by pax",
    layers: [tar(file("f", "x", { pax: [["path", "../outside/secret\0.txt"]] }))],
    error: "ExtractError",
  },
  {
    name: "a link target with a NUL byte, by pax",
    layers: [tar(symlink("l", "x", { pax: [["linkpath", "/etc\0/passwd"]] }))],
    error: "ExtractError",
  },
  {
    name: "a link to a magic link in /proc is an ordinary link",
    layers: [
      tar(symlink("self", "/proc/self/root"), file("self/f", "x")),
    ],
    tree: {
      "proc": "dir @0",
      "proc/self": "dir @0",
      "proc/self/root": "dir @0",
      "proc/self/root/f": 'file "x"',
      "self": "link -> /proc/self/root",
    },
  },
];
