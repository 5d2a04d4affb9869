import {
  device,
  dir,
  fifo,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  toUint8Array,
  whiteout,
} from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

/** `cap_net_raw+ep`, as for ping. */
const NET_RAW = new Uint8Array([1, 0, 0, 2, 0, 32, ...new Array(14).fill(0)]);
/** A default access control list: `user::rwx`, `group::r-x`, `other::---`. */
const DEFAULT_ACL = new Uint8Array([
  ...[2, 0, 0, 0],
  ...[1, 0, 7, 0, 255, 255, 255, 255],
  ...[4, 0, 5, 0, 255, 255, 255, 255],
  ...[32, 0, 0, 0, 255, 255, 255, 255],
]);

/** Modes, owners, times, attributes and special files. */
export const METADATA: readonly LayerCase[] = [
  {
    name: "set-user-ID and set-group-ID survive the change of owner",
    layers: [tar(
      file("su", "x", { mode: 0o4755, uid: 0, gid: 5 }),
      file("wall", "x", { mode: 0o2755, uid: 3, gid: 5 }),
      file("both", "x", { mode: 0o6711, uid: 1000, gid: 1000 }),
    )],
    tree: {
      "both": 'file 6711 1000:1000 "x"',
      "su": 'file 4755 0:5 "x"',
      "wall": 'file 2755 3:5 "x"',
    },
  },
  {
    name: "sticky and set-group-id directories",
    layers: [tar(
      dir("tmp", { mode: 0o1777 }),
      dir("mail", { mode: 0o2775, gid: 8 }),
      file("mail/f", "x"),
      dir("mail/sub"),
    )],
    tree: {
      "mail": "dir 2775 0:8",
      "mail/f": 'file "x"',
      "mail/sub": "dir",
      "tmp": "dir 1777",
    },
  },
  {
    name: "nothing is inherited from a set-group-id directory of a lower layer",
    layers: [
      tar(dir("mail", { mode: 0o2775, gid: 8 })),
      tar(file("mail/f", "x"), dir("mail/sub"), symlink("mail/l", "f")),
    ],
    tree: {
      "mail": "dir 2775 0:8",
      "mail/f": 'file "x"',
      "mail/l": "link -> f",
      "mail/sub": "dir",
    },
  },
  {
    name: "files and directories of mode 000",
    layers: [tar(file("f", "x", { mode: 0 }), dir("d", { mode: 0 }), file("d/g", "y"))],
    tree: { "d": "dir 0", "d/g": 'file "y"', "f": 'file 0 "x"' },
  },
  {
    name: "a read-only directory with content",
    layers: [tar(dir("d", { mode: 0o555 }), file("d/f", "x")), tar(file("d/g", "y"))],
    tree: { "d": "dir 555", "d/f": 'file "x"', "d/g": 'file "y"' },
  },
  {
    name: "directories that are described before, after and between their entries",
    layers: [tar(
      ...[dir("a", { mtime: 5 }), dir("a/b", { mtime: 6 }), file("a/b/f", "x"), dir("c")],
      ...[file("d/f", "x"), dir("d", { mtime: 7, mode: 0o500 }), file("d/g", "y")],
      ...[dir("a", { mtime: 8 }), symlink("c/l", "f"), dir("a/b/e", { mode: 0o1777, mtime: 9 })],
      ...[hardlink("a/b/e/g", "d/g")],
    )],
    tree: {
      "a": "dir @8",
      "a/b": "dir @6",
      "a/b/e": "dir 1777 @9",
      "a/b/e/g": 'file "y"',
      "a/b/f": 'file "x"',
      "c": "dir",
      "c/l": "link -> f",
      "d": "dir 500 @7",
      "d/f": 'file "x"',
      "d/g": 'file = a/b/e/g "y"',
    },
  },
  {
    name: "a directory with others in it that is described again and hides the layers below",
    layers: [
      tar(dir("a"), dir("a/old"), dir("a/b"), file("a/b/old", "x")),
      tar(
        dir("a"),
        dir("a/b"),
        dir("a/b/c"),
        dir("a/n"),
        dir("a", { mtime: 5 }),
        opaque("a"),
        whiteout("a/b/c"),
      ),
    ],
    tree: { "a": "dir @5", "a/b": "dir", "a/b/c": "dir", "a/n": "dir" },
  },
  {
    name: "modes that the umask would restrict",
    layers: [tar(file("f", "x", { mode: 0o666 }), dir("d", { mode: 0o777 }))],
    tree: { "d": "dir 777", "f": 'file 666 "x"' },
  },
  {
    name: "a mode that includes the file type",
    layers: [tar(file("f", "x", { mode: 0o100644 }))],
    tree: { "f": 'file "x"' },
  },
  {
    name: "large owners",
    layers: [tar(
      file("a", "x", { uid: 2097152, gid: 4000000000 }),
      file("b", "y", { uid: 3000000, gid: 3, dialect: "gnu" }),
    )],
    tree: { "a": 'file 2097152:4000000000 "x"', "b": 'file 3000000:3 "y"' },
  },
  {
    name: "owners are set by ID, not by name",
    layers: [tar(file("f", "x", { uid: 77, gid: 88, uname: "root", gname: "root" }))],
    tree: { "f": 'file 77:88 "x"' },
  },
  {
    name: "times to the nanosecond",
    layers: [tar(
      file("f", "x", { mtime: "1700000000.123456789" }),
      dir("d", { mtime: "1700000000.000000001" }),
    )],
    tree: { "d": "dir @1700000000.000000001", "f": 'file @1700000000.123456789 "x"' },
    pure: { tree: { "d": "dir @1700000000", "f": 'file @1700000000.123 "x"' }, skipped: [] },
  },
  {
    name: "times to the millisecond",
    layers: [
      tar(file("f", "x", { mtime: "1700000000.123" }), symlink("l", "f", { mtime: "9.876" })),
    ],
    tree: { "f": 'file @1700000000.123 "x"', "l": "link @9.876 -> f" },
  },
  {
    name: "times before 1970",
    layers: [tar(file("f", "x", { mtime: -1 }), file("g", "y", { mtime: "-86400.5" }))],
    tree: { "f": 'file @-1 "x"', "g": 'file @-86401.5 "y"' },
  },
  {
    name: "times after 2038 and 2106",
    layers: [tar(file("f", "x", { mtime: 2147483648 }), file("g", "y", { mtime: 4294967296 }))],
    tree: { "f": 'file @2147483648 "x"', "g": 'file @4294967296 "y"' },
  },
  {
    name: "times of zero",
    layers: [tar(file("f", "x", { mtime: 0 }), dir("d", { mtime: 0 }))],
    tree: { "d": "dir @0", "f": 'file @0 "x"' },
  },
  {
    name: "directory times survive the creation of their entries",
    layers: [tar(
      dir("a", { mtime: 31 }),
      dir("a/b", { mtime: 32 }),
      dir("a/b/c", { mtime: 33 }),
      file("a/b/c/f", "x"),
      file("a/f", "y"),
    )],
    tree: {
      "a": "dir @31",
      "a/b": "dir @32",
      "a/b/c": "dir @33",
      "a/b/c/f": 'file "x"',
      "a/f": 'file "y"',
    },
  },
  {
    name: "a capability survives the change of owner and mode",
    layers: [tar(
      file("ping", "x", { mode: 0o755, uid: 9, xattrs: { "security.capability": NET_RAW } }),
    )],
    tree: { "ping": `file 755 9:0 security.capability=${NET_RAW.toHex()} "x"` },
    pure: { tree: { "ping": 'file 755 9:0 "x"' }, skipped: ["ping"] },
  },
  {
    name: "a capability disappears with the file that is replaced",
    layers: [
      tar(file("ping", "x", { mode: 0o755, xattrs: { "security.capability": NET_RAW } })),
      tar(file("ping", "y", { mode: 0o755 })),
    ],
    tree: { "ping": 'file 755 "y"' },
    pure: { tree: { "ping": 'file 755 "y"' }, skipped: ["ping"] },
  },
  {
    name: "attributes of files, directories and links",
    layers: [tar(
      file("f", "x", { xattrs: { "user.text": "a=b\n", "user.none": "" } }),
      dir("d", { xattrs: { "user.bytes": new Uint8Array([0, 255, 10]) } }),
      symlink("l", "f", { xattrs: { "trusted.link": "y" } }),
    )],
    tree: {
      "d": "dir user.bytes=00ff0a",
      "f": 'file user.none= user.text=613d620a "x"',
      "l": "link trusted.link=79 -> f",
    },
    pure: {
      tree: { "d": "dir", "f": 'file "x"', "l": "link -> f" },
      skipped: ["f", "f", "d/", "l"],
    },
  },
  {
    name: "attributes as libarchive writes them",
    layers: [tar(file("f", "x", { pax: { "LIBARCHIVE.xattr.user.a": "eA==" } }))],
    tree: { "f": 'file user.a=78 "x"' },
    pure: { tree: { "f": 'file "x"' }, skipped: ["f"] },
  },
  {
    name: "unsupported attributes are reported",
    layers: [tar(file("f", "x", { xattrs: { "nonsense": "1", "user.a": "2" } }))],
    tree: { "f": 'file user.a=32 "x"' },
    skipped: ["f"],
    pure: { tree: { "f": 'file "x"' }, skipped: ["f", "f"] },
  },
  {
    name: "attributes are ignored with xattrs off",
    layers: [tar(file("f", "x", { xattrs: { "user.a": "1" } }))],
    options: { xattrs: "off" },
    tree: { "f": 'file "x"' },
  },
  {
    name: "attributes that cannot be set fail with strict xattrs",
    layers: [tar(file("f", "x", { xattrs: { "nonsense": "1" } }))],
    options: { xattrs: "strict" },
    error: "ExtractError",
    message: "nonsense",
  },
  {
    name: "SELinux labels are ignored",
    layers: [tar(file("f", "x", { xattrs: { "security.selinux": "system_u" } }))],
    options: { xattrs: "strict" },
    tree: { "f": 'file "x"' },
  },
  {
    name: "attributes of the overlay file system are set in a tree that is no layer of one",
    layers: [tar(
      dir("d", { xattrs: { "trusted.overlay.opaque": "y", "user.overlay.opaque": "y" } }),
      file("f", "x", { xattrs: { "trusted.overlay.redirect": "/etc" } }),
    )],
    tree: {
      "d": "dir trusted.overlay.opaque=79 user.overlay.opaque=79",
      "f": `file trusted.overlay.redirect=${toUint8Array("/etc").toHex()} "x"`,
    },
    pure: { tree: { "d": "dir", "f": 'file "x"' }, skipped: ["d/", "d/", "f"] },
  },
  {
    name: "a default ACL does not apply to entries of the layer itself",
    layers: [tar(
      dir("d", { mode: 0o750, xattrs: { "system.posix_acl_default": DEFAULT_ACL } }),
      file("d/f", "x"),
      dir("d/e"),
    )],
    tree: {
      "d": `dir 750 system.posix_acl_default=${DEFAULT_ACL.toHex()}`,
      "d/e": "dir",
      "d/f": 'file "x"',
    },
    pure: {
      tree: { "d": "dir 750", "d/e": "dir", "d/f": 'file "x"' },
      skipped: ["d"],
    },
  },
  {
    name: "devices of both kinds",
    layers: [tar(
      device("null", "character", 1, 3, { mode: 0o666, uid: 1, mtime: 4 }),
      device("sda", "block", 8, 0, { mode: 0o660, gid: 6 }),
      device("big", "character", 4095, 1048575),
    )],
    tree: { "big": "char 4095:1048575", "null": "char 666 1:0 @4 1:3", "sda": "block 660 0:6 8:0" },
  },
  {
    name: "a FIFO with mode, owner and time",
    layers: [tar(fifo("p", { mode: 0o620, uid: 2, gid: 3, mtime: 5 }))],
    tree: { "p": "fifo 620 2:3 @5" },
  },
  {
    name: "everything belongs to the current user",
    layers: [tar(
      file("f", "x", { uid: 5, gid: 6, mode: 0o4755 }),
      dir("d", { uid: 7 }),
      symlink("l", "f", { gid: 8 }),
    )],
    options: { ownership: "squash" },
    tree: { "d": "dir", "f": 'file 4755 "x"', "l": "link -> f" },
  },
  {
    name: "owners are recorded",
    layers: [tar(
      file("f", "x", { uid: 1000, gid: 300, mode: 0 }),
      file("root", "y"),
      dir("d", { uid: 0, gid: 42, mode: 0o555 }),
      file("lies", "z", { uid: 1, xattrs: { "user.rootlesscontainers": "lie" } }),
    )],
    options: { ownership: "record" },
    tree: {
      "d": "dir 555 user.rootlesscontainers=08ffffffff0f102a",
      "f": 'file 0 user.rootlesscontainers=08e80710ac02 "x"',
      "lies": 'file user.rootlesscontainers=080110ffffffff0f "z"',
      "root": 'file "y"',
    },
    pure: {
      tree: { "d": "dir 555", "f": 'file 0 "x"', "lies": 'file "z"', "root": 'file "y"' },
      skipped: ["f", "d/", "lies"],
    },
  },
  {
    name: "owners are mapped",
    layers: [tar(
      file("root", "x"),
      file("user", "y", { uid: 1000, gid: 7, mode: 0o2755 }),
      hardlink("link", "user"),
      file("implied/f", "z", { uid: 1, gid: 1 }),
    )],
    options: {
      ownership: {
        kind: "map",
        uids: [
          { containerId: 0, hostId: 100000, size: 1 },
          { containerId: 1, hostId: 200000, size: 1000 },
        ],
        gids: [{ containerId: 0, hostId: 300000, size: 65536 }],
      },
    },
    tree: {
      "implied": "dir 100000:300000 @0",
      "implied/f": 'file 200000:300001 "z"',
      "link": 'file 2755 200999:300007 "y"',
      "root": 'file 100000:300000 "x"',
      "user": 'file 2755 200999:300007 = link "y"',
    },
  },
  {
    name: "an owner outside of all ranges",
    layers: [tar(file("f", "x", { uid: 5 }))],
    options: {
      ownership: {
        kind: "map",
        uids: [{ containerId: 0, hostId: 1000, size: 5 }],
        gids: [{ containerId: 0, hostId: 1000, size: 5 }],
      },
    },
    error: "OwnershipError",
    message: "5:0",
  },
  {
    name: "a handler skips and renames entries",
    layers: [tar(dir("keep"), file("keep/f", "x"), dir("drop"), file("drop/g", "y"))],
    options: {
      handler: (header) =>
        header.path.startsWith("keep")
          ? { ...header, path: header.path.replace("keep", "kept") }
          : undefined,
    },
    tree: { "kept": "dir", "kept/f": 'file "x"' },
  },
];
