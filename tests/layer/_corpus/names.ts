import { dir, file, hardlink, symlink, tar } from "../../_support/tar.ts";
import type { LayerCase } from "./case.ts";

const LONG = "n".repeat(255);
const DEEP = Array.from({ length: 40 }, (_, i) => `level-${i}`);

/** Names that an entry may have, and their meanings. */
export const NAMES: readonly LayerCase[] = [
  {
    name: "files and directories as tools write them",
    layers: [tar(dir("etc"), file("etc/hosts", "127.0.0.1"), dir("var"), dir("var/lib"))],
    tree: { "etc": "dir", "etc/hosts": 'file "127.0.0.1"', "var": "dir", "var/lib": "dir" },
  },
  {
    name: "names that begin with ./",
    layers: [tar(dir("./"), dir("./etc"), file("./etc/hosts", "x"))],
    tree: { ".": "dir", "etc": "dir", "etc/hosts": 'file "x"' },
  },
  {
    name: "a directory without a trailing slash",
    layers: [tar(dir("d", { header: { name: "d" } }), file("d/f", "x"))],
    tree: { "d": "dir", "d/f": 'file "x"' },
  },
  {
    name: "redundant slashes and dots",
    layers: [tar(dir("a//"), dir("a/./b"), file("a//b/.///c", "x"))],
    tree: { "a": "dir", "a/b": "dir", "a/b/c": 'file "x"' },
  },
  {
    name: "an absolute name is resolved inside the root",
    layers: [tar(dir("/etc"), file("/etc/hosts", "x"), file("//two", "y"))],
    tree: { "etc": "dir", "etc/hosts": 'file "x"', "two": 'file "y"' },
  },
  {
    name: ".. removes the component before it",
    layers: [tar(dir("a"), file("a/../b", "x"))],
    tree: { "a": "dir", "b": 'file "x"' },
  },
  {
    name: ".. removes a component that does not exist",
    layers: [tar(file("nowhere/../b", "x"))],
    tree: { "b": 'file "x"' },
  },
  {
    name: ".. removes the name of a directory",
    layers: [tar(dir("d"), dir("d/e"), file("keep", "k"), file("d/e/../f", "x"))],
    tree: { "d": "dir", "d/e": "dir", "d/f": 'file "x"', "keep": 'file "k"' },
  },
  {
    name: "parents without entries are created",
    layers: [tar(file("a/b/c", "x"))],
    tree: { "a": "dir @0", "a/b": "dir @0", "a/b/c": 'file "x"' },
  },
  {
    name: "a directory whose entry comes after its content",
    layers: [tar(file("a/b", "x"), dir("a", { mode: 0o750, mtime: 5 }))],
    tree: { "a": "dir 750 @5", "a/b": 'file "x"' },
  },
  {
    name: "a root entry describes the root",
    layers: [tar(dir(".", { mode: 0o1777, mtime: 7, uid: 3 }), file("f", "x"))],
    tree: { ".": "dir 1777 3:0 @7", "f": 'file "x"' },
  },
  {
    name: "a root entry named / describes the root",
    layers: [tar(file("f", "x"), dir("/", { mode: 0o700 }))],
    tree: { ".": "dir 700", "f": 'file "x"' },
  },
  {
    name: "a root entry named with .. describes the root",
    layers: [tar(dir("a/..", { mode: 0o711 }))],
    tree: { ".": "dir 711" },
  },
  {
    name: "characters that are special in shells",
    layers: [tar(file("a b\n'\"\\$*?", "x"), file("-rf", "y"), file("tab\there", "z"))],
    tree: { "a b\n'\"\\$*?": 'file "x"', "-rf": 'file "y"', "tab\there": 'file "z"' },
  },
  {
    name: "names with dots that have no special meaning",
    layers: [tar(file("...", "3"), file("..a", "a"), file("a..", "b"), file(".a", "c"))],
    tree: { "...": 'file "3"', "..a": 'file "a"', "a..": 'file "b"', ".a": 'file "c"' },
  },
  {
    name: "a name of 255 bytes",
    layers: [tar(file(LONG, "x"))],
    tree: { [LONG]: 'file "x"' },
  },
  {
    name: "a whiteout of a name of 255 bytes",
    layers: [tar(dir("d"), file(`d/${LONG}`, "x"), file("f", "x")), tar(file(`d/.wh.${LONG}`))],
    tree: { "d": "dir", "f": 'file "x"' },
  },
  {
    name: "a whiteout of a name of 256 bytes is too long",
    layers: [tar(file("f", "x")), tar(file(`.wh.${LONG}n`))],
    error: "LimitError",
  },
  {
    name: "a directory named like a whiteout of a name of 255 bytes is too long",
    layers: [tar(file(`.wh.${LONG}/f`, "x"))],
    error: "LimitError",
  },
  {
    name: "a name of 256 bytes is too long",
    layers: [tar(file(`${LONG}n`, "x"))],
    error: "LimitError",
  },
  {
    name: "a name of 128 characters that are 256 bytes is too long",
    layers: [tar(file("é".repeat(128), "x"))],
    error: "LimitError",
  },
  {
    name: "a path of more than 4096 bytes is too long",
    layers: [tar(file(`${"d/".repeat(2048)}f`, "x"))],
    error: "LimitError",
  },
  {
    name: "forty directories deep",
    layers: [tar(file(`${DEEP.join("/")}/f`, "x"))],
    tree: Object.fromEntries([
      ...DEEP.map((_, i) => [DEEP.slice(0, i + 1).join("/"), "dir @0"] as const),
      [`${DEEP.join("/")}/f`, 'file "x"'],
    ]),
  },
  {
    name: "a long name in GNU's form",
    layers: [tar(file(`${"g".repeat(90)}/${"h".repeat(90)}`, "x", { dialect: "gnu" }))],
    tree: {
      ["g".repeat(90)]: "dir @0",
      [`${"g".repeat(90)}/${"h".repeat(90)}`]: 'file "x"',
    },
  },
  {
    name: "a long name split by ustar",
    layers: [tar(file(`${"p".repeat(90)}/${"q".repeat(90)}`, "x", { dialect: "ustar" }))],
    tree: {
      ["p".repeat(90)]: "dir @0",
      [`${"p".repeat(90)}/${"q".repeat(90)}`]: 'file "x"',
    },
  },
  {
    name: "names that differ only in case",
    layers: [tar(file("README", "1"), file("readme", "2"))],
    tree: { "README": 'file "1"', "readme": 'file "2"' },
  },
  {
    name: "names that some file systems treat as equal",
    layers: [tar(file("ß", "1"), file("ss", "2"), file("\u00e9", "3"), file("e\u0301", "4"))],
    tree: {
      "ß": 'file "1"',
      "ss": 'file "2"',
      "\u00e9": 'file "3"',
      "e\u0301": 'file "4"',
    },
  },
  {
    name: "characters outside of the Basic Multilingual Plane",
    layers: [tar(dir("𝒟"), file("𝒟/🐳", "x"))],
    tree: { "𝒟": "dir", "𝒟/🐳": 'file "x"' },
  },
  {
    name: "a name that is not UTF-8 keeps its bytes",
    layers: [tar(
      file(new Uint8Array([0x63, 0x61, 0x66, 0xe9]), "latin"),
      file("plain", "p"),
    )],
    tree: { "caf\udce9": 'file "latin"', "plain": 'file "p"' },
    pure: { tree: { "plain": 'file "p"' }, skipped: ["caf\udce9"] },
  },
  {
    name: "a directory whose name is not UTF-8",
    layers: [tar(dir(new Uint8Array([0xff])), file(new Uint8Array([0xff, 0x2f, 0x61]), "x"))],
    tree: { "\udcff": "dir", "\udcff/a": 'file "x"' },
    pure: { tree: {}, skipped: ["\udcff/", "\udcff/a"] },
  },
  {
    name: "names that only look like whiteouts",
    layers: [tar(file(".wh", "1"), file(".whx", "2"), file("a.wh.b", "3"), file(".WH.c", "4"))],
    tree: {
      ".wh": 'file "1"',
      ".whx": 'file "2"',
      "a.wh.b": 'file "3"',
      ".WH.c": 'file "4"',
    },
  },
  {
    name: "an empty layer",
    layers: [tar()],
    tree: {},
  },
  {
    name: "an archive without any bytes",
    layers: [new Uint8Array()],
    tree: {},
  },
  {
    name: "an archive without the final zero blocks",
    layers: [tar(file("f", "x")).slice(0, -1024)],
    tree: { "f": 'file "x"' },
  },
  {
    name: "an archive that ends inside a file",
    layers: [tar(file("f", "x".repeat(2000))).slice(0, 1024)],
    error: "ExtractError",
  },
  {
    name: "a damaged header",
    layers: [tar(file("f", "x"), file("g", "y", { header: { checksum: "000000" } }))],
    error: "ExtractError",
  },
  {
    name: "an entry of an unknown type",
    layers: [tar(file("f", "x", { header: { typeflag: "Z" } }))],
    error: "ExtractError",
  },
  {
    name: "links and files without a name, or called ..",
    layers: (outside) => [
      tar(
        symlink("", outside),
        symlink("..", outside),
        file("..", "pwned"),
        hardlink("", "secret"),
        file("secret", "x"),
      ),
    ],
    tree: { "secret": 'file "x"' },
    skipped: ["", "..", "..", ""],
  },
  {
    name: "a newline in a name is part of it",
    layers: [tar(file("a\n../outside/secret", "x"))],
    tree: {
      "a\n..": "dir @0",
      "a\n../outside": "dir @0",
      "a\n../outside/secret": 'file "x"',
    },
  },
  {
    name: "backslashes do not separate names",
    layers: [tar(file("..\\outside\\secret", "x"), file("C:\\x", "y"))],
    tree: { "..\\outside\\secret": 'file "x"', "C:\\x": 'file "y"' },
  },
];
