import { assert, assertEquals } from "@std/assert";
import { peerTest, programPath, runPeer } from "../_support/peers.ts";
import {
  concat,
  device,
  dir,
  fifo,
  file,
  gzip,
  hardlink,
  header,
  noise,
  opaque,
  paxRecord,
  sparse,
  symlink,
  tar,
  whiteout,
  zstd,
  zstdSkippable,
} from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

/** Elsewhere `tar` is another program. */
const reason = Deno.build.os === "linux" ? undefined : "tar is not GNU tar";
const LONG = `${"d/".repeat(80)}${"n".repeat(30)}`;
const SPLIT = `${"a".repeat(60)}/${"b".repeat(60)}`;

/** Entries that the peers can list, with the output of GNU tar. */
const ENTRIES: readonly (readonly [entry: Uint8Array, line: string])[] = [
  [dir("etc", { mode: 0o1777 }), "drwxrwxrwt 0/0 0 1577836800 etc/"],
  [
    file("etc/passwd", "root\n", { mode: 0o4755, uid: 5, gid: 7, mtime: "12.5" }),
    "-rwsr-xr-x 5/7 5 12.5 etc/passwd",
  ],
  [symlink("bin", "usr/bin"), "lrwxrwxrwx 0/0 0 1577836800 bin -> usr/bin"],
  [hardlink("b", "etc/passwd"), "hrw-r--r-- 0/0 0 1577836800 b link to etc/passwd"],
  [fifo("pipe", { mode: 0o600 }), "prw------- 0/0 0 1577836800 pipe"],
  [device("null", "character", 1, 3), "crw-r--r-- 0/0 1,3 1577836800 null"],
  [whiteout("etc/x"), "-rw-r--r-- 0/0 0 1577836800 etc/.wh.x"],
  [opaque("etc"), "-rw-r--r-- 0/0 0 1577836800 etc/.wh..wh..opq"],
  [opaque(""), "-rw-r--r-- 0/0 0 1577836800 .wh..wh..opq"],
  [file(LONG, "a"), `-rw-r--r-- 0/0 1 1577836800 ${LONG}`],
  [file(`g${LONG}`, "a", { dialect: "gnu" }), `-rw-r--r-- 0/0 1 1577836800 g${LONG}`],
  [file(SPLIT, "a", { dialect: "ustar" }), `-rw-r--r-- 0/0 1 1577836800 ${SPLIT}`],
  [file("v7", "a", { dialect: "v7" }), "-rw-r--r-- 0/0 1 1577836800 v7"],
  [symlink("s", LONG), `lrwxrwxrwx 0/0 0 1577836800 s -> ${LONG}`],
  [symlink("g", LONG, { dialect: "gnu" }), `lrwxrwxrwx 0/0 0 1577836800 g -> ${LONG}`],
  [file("old", "", { mtime: -5 }), "-rw-r--r-- 0/0 0 -5 old"],
  [file("id", "", { uid: 3_000_000_000 }), "-rw-r--r-- 3000000000/0 0 1577836800 id"],
  [
    file("gid", "", { gid: 3_000_000_000, mtime: -7, dialect: "gnu" }),
    "-rw-r--r-- 0/3000000000 0 -7 gid",
  ],
];

peerTest(
  { name: "GNU tar lists what tar() writes, in every dialect", needs: ["tar"], reason },
  async () => {
    await using temp = await makeTempDir();
    await Deno.writeFile(temp.join("a.tar"), tar(...ENTRIES.map(([entry]) => entry)));
    const args = ["-tvf", temp.join("a.tar"), "--full-time", "--numeric-owner"];

    const { stdout, stderr } = await runPeer("tar", args, { env: { TZ: "UTC", LC_ALL: "C" } });

    const lines = stdout.trimEnd().split("\n").map((line) =>
      line.replace(
        /^(\S+) +(\S+) +(\S+) (\S+) (\S+) +/,
        (_, mode, owner, size, date, time) =>
          `${mode} ${owner} ${size} ${seconds(`${date}T${time}`)} `,
      )
    );
    assertEquals(
      lines,
      ENTRIES.map(([, line]) => line),
    );
    assertEquals(stderr, "");
  },
);

function seconds(text: string): number {
  return Date.parse(`${text.slice(0, 23)}Z`) / 1000;
}

peerTest({ name: "GNU tar unpacks what sparse() writes", needs: ["tar"], reason }, async () => {
  await using temp = await makeTempDir();
  const formats = ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"] as const;
  // More runs than a header and its first extension hold.
  const runs = Array.from({ length: 30 }, (_, i) => ({ offset: i * 8192, data: noise(512, i) }));
  const expected = new Uint8Array(300_000);
  for (const { offset, data } of runs) expected.set(data, offset);
  const archive = tar(...formats.map((format) => sparse(format, 300_000, runs, format)));
  await Deno.writeFile(temp.join("a.tar"), archive);

  await runPeer("tar", ["-xf", "a.tar"], { cwd: temp.path });

  for (const format of formats) assertEquals(await Deno.readFile(temp.join(format)), expected);
});

peerTest({ name: "bsdtar reads extended attributes of any bytes", needs: ["bsdtar"] }, async () => {
  const value = Uint8Array.of(0, 255, 10, 61);
  const archive = tar(file("f", "", { xattrs: { "user.a": value } }));

  const { stdout } = await runPeer("bsdtar", ["--format=pax", "-cf", "-", "@-"], {
    stdin: archive,
  });

  const base64 = value.toBase64({ omitPadding: true });
  assert(stdout.includes(`LIBARCHIVE.xattr.user.a=${base64}\n`), stdout);
});

Deno.test("header() writes the given fields, with the right checksum unless one is given", () => {
  const name = Uint8Array.of(0xff, 0x41);
  const block = header({ name, size: "zz", typeflag: "Z", patch: [[500, "end"]] });
  const wrong = header({ checksum: "000000\0 " });

  const blank = block.slice();
  blank.fill(0x20, 148, 156);
  const sum = blank.reduce((total, byte) => total + byte, 0);
  assertEquals(block.length, 512);
  assertEquals(block.slice(0, 3), Uint8Array.of(0xff, 0x41, 0));
  assertEquals(text(block, 124, 126), "zz");
  assertEquals(text(block, 156, 157), "Z");
  assertEquals(text(block, 500, 503), "end");
  assertEquals(text(block, 148, 156), `${sum.toString(8).padStart(6, "0")}\0 `);
  assertEquals(text(wrong, 148, 156), "000000\0 ");
});

function text(bytes: Uint8Array, from: number, to: number): string {
  return new TextDecoder().decode(bytes.subarray(from, to));
}

Deno.test.each([
  { key: "a", value: "", record: "5 a=\n" },
  { key: "path", value: "x", record: "9 path=x\n" },
  { key: "path", value: "xx", record: "11 path=xx\n" },
  { key: "k", value: "v".repeat(93), record: `99 k=${"v".repeat(93)}\n` },
  { key: "k", value: "v".repeat(94), record: `101 k=${"v".repeat(94)}\n` },
])("paxRecord() of $key=$value counts its own length", ({ key, value, record }) => {
  const bytes = paxRecord(key, value);

  assertEquals(new TextDecoder().decode(bytes), record);
  assertEquals(bytes.length, Number.parseInt(record));
});

peerTest(
  { name: "gzip and zstd read several members and frames", needs: ["gzip", "zstd"] },
  async () => {
    const content = noise(10_000);
    const members = [content.slice(0, 5000), content.slice(5000)];

    const gunzipped = await runPeer("gzip", ["-dc"], { stdin: gzip(...members) });
    const frames = concat(zstdSkippable(new Uint8Array(3)), zstd(...members));
    const unzstd = await runPeer("zstd", ["-dc"], { stdin: frames });

    assertEquals(gunzipped.stdoutBytes, content);
    assertEquals(unzstd.stdoutBytes, content);
  },
);

Deno.test("programPath() finds programs on the path", () => {
  assert(programPath("sh")?.endsWith("/sh"));
  assertEquals(programPath("no-such-program-here"), undefined);
});
