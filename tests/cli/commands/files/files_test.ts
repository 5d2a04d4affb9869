import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { serveRegistry } from "../../../../registry/mod.ts";
import type { Digest } from "../../../../spec/mod.ts";
import { ContentStore } from "../../../../store/mod.ts";
import { buildImage, type BuiltImage, MemoryContent } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { denoEnvironment, ROOT, run } from "../../../_support/process.ts";
import { linuxTest } from "../../../_support/skip.ts";
import {
  concat,
  dir,
  file,
  hardlink,
  opaque,
  symlink,
  tar,
  whiteout,
} from "../../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const IMAGE = buildImage({
  layers: [
    tar(
      dir("etc"),
      file("etc/a", "lower a"),
      file("etc/b", "lower b"),
      dir("data"),
      file("data/old", "old"),
      dir("usr"),
      dir("usr/bin"),
      file("usr/bin/tool", "tool", { mode: 0o4755, uid: 7 }),
      hardlink("usr/bin/same", "usr/bin/tool"),
      symlink("bin", "/usr/bin"),
      symlink("loop", "loop"),
      symlink("gone", "usr/away"),
      symlink("far", "../gone"),
    ),
    tar(dir("etc"), whiteout("etc/b"), dir("data"), opaque("data"), file("data/new", "new")),
    tar(dir("etc"), file("etc/a", "upper a"), symlink("etc/link", "../bin/same")),
  ],
});
const [BASE = "", MIDDLE = ""] = IMAGE.layers.map(({ descriptor }) => descriptor.digest);

/** Runs as the command line does. */
const PEAK_MEMORY = "tests/cli/commands/_peak_memory.ts";

const OPTIONS = ["--platform=linux/amd64", "-q"];

async function setUp(image: BuiltImage = IMAGE) {
  const requests: string[] = [];
  const server = await serveRegistry(new MemoryContent().add("app", "1", image), {
    onRequest: ({ path }) => requests.push(path),
  });
  const temp: TempDir = await makeTempDir();
  const reference = `${server.host}/app:1`;
  const env = { OCI_STORE: temp.join("store") };
  return {
    reference,
    temp,
    env,
    fetched: (digest: string) => requests.some((url) => url.includes(digest)),
    oci: (...args: readonly string[]) => {
      return runOci([...args, ...OPTIONS], { env });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

const PRINTED = [
  { path: "etc/a", text: "upper a" },
  { path: "/data/new", text: "new" },
  { path: "usr/bin/same", text: "tool" },
  { path: "bin/tool", text: "tool" },
  { path: "etc/link", text: "tool" },
];

Deno.test.each(PRINTED)("oci cat prints $path", async ({ path, text }) => {
  await using box = await setUp();

  const { code, stdout, stderr } = await box.oci("cat", box.reference, path);

  assertEquals([code, stdout, stderr], [0, text, ""]);
});

const NO_FILES = [
  { path: "etc/b", says: "it does not exist" },
  { path: "data/old", says: "it does not exist" },
  { path: "nowhere", says: "it does not exist" },
  { path: "loop", says: "it leads through too many symlinks" },
  { path: "gone", says: '"gone" is a symlink to "usr/away", which does not exist' },
  { path: "/far", says: '"gone" is a symlink to "usr/away", which does not exist' },
  { path: "far/below", says: '"gone" is a symlink to "usr/away", which does not exist' },
  { path: "bin/none", says: "it does not exist" },
  { path: "etc/a/x", says: "it does not exist" },
  { path: "etc", says: 'cannot read "etc" in the image: it is a directory. List it with "oci ls"' },
];

Deno.test.each(NO_FILES)("oci cat says that $path is not a file", async ({ path, says }) => {
  await using box = await setUp();

  const { code, stdout, stderr } = await box.oci("cat", box.reference, path);

  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, says);
});

Deno.test("oci cat fetches no layer below the one that has the file, or hides it", async () => {
  await using box = await setUp();

  await box.oci("cat", box.reference, "etc/a");
  const afterTop = [box.fetched(MIDDLE), box.fetched(BASE)];
  await box.oci("cat", box.reference, "etc/b");
  await box.oci("cat", box.reference, "data/old");
  const afterMiddle = [box.fetched(MIDDLE), box.fetched(BASE)];

  assertEquals([afterTop, afterMiddle], [[false, false], [true, false]]);
});

Deno.test("oci ls lists the flattened tree", async () => {
  await using box = await setUp();

  const all = await box.oci("ls", box.reference);
  const some = await box.oci("ls", box.reference, "/data");
  const one = await box.oci("ls", "--long", box.reference, "usr/bin/tool");

  assertEquals(all.stdout.trim().split("\n"), [
    ...["bin", "data", "data/new", "etc", "etc/a", "etc/link", "far", "gone", "loop"],
    ...["usr", "usr/bin", "usr/bin/same", "usr/bin/tool"],
  ]);
  assertEquals(some.stdout, "data\ndata/new\n");
  assertEquals(one.stdout, "-rwsr-xr-x  2  7:0  4  2020-01-01 00:00  usr/bin/tool\n");
});

const LINKS = [
  { path: "gone", line: "gone" },
  { path: "far", line: "far" },
  { path: "loop", line: "loop" },
  { path: "etc/link", line: "usr/bin/same" },
  { path: "bin", line: "usr/bin\nusr/bin/same\nusr/bin/tool" },
];

Deno.test.each(LINKS)(
  "oci ls shows what the link $path leads to, or itself",
  async ({ path, line }) => {
    await using box = await setUp();

    const { code, stdout, stderr } = await box.oci("ls", box.reference, path);

    assertEquals([code, stdout, stderr], [0, `${line}\n`, ""]);
  },
);

Deno.test("oci ls says to copy a damaged layout again", async () => {
  await using box = await setUp();
  const layout = box.temp.join("layout");
  await box.oci("copy", box.reference, `oci:${layout}`);
  await Deno.writeFile(`${layout}/blobs/${BASE.replace(":", "/")}`, new Uint8Array(10));

  const { code, stderr } = await box.oci("ls", `oci:${layout}`, "usr/bin/tool");

  assertEquals(code, 1);
  assertStringIncludes(stderr, "Save or copy it again");
});

Deno.test("oci ls fetches damaged content of the store again", async () => {
  await using box = await setUp();
  await box.oci("pull", box.reference);
  const store = await ContentStore.open(box.temp.join("store"));
  await Deno.writeFile(store.blobPath(BASE as Digest), new Uint8Array(10));

  const never = await box.oci("ls", "--policy=never", box.reference, "/data");
  const listed = await box.oci("ls", box.reference, "usr/bin/tool");

  assertEquals([never.code, never.stdout], [1, ""]);
  assertStringIncludes(never.stderr, "Fetch it again with --policy if-not-present");
  assertEquals([listed.code, listed.stdout], [0, "usr/bin/tool\n"]);
  assertMatch(listed.stderr, /^oci: warning: pulling ".*" again: cannot accept the bytes/);
});

Deno.test("oci ls --json describes each file", async () => {
  await using box = await setUp();

  const { stdout } = await box.oci("ls", "--json", box.reference, "etc");

  const time = { uid: 0, gid: 0, mtime: "2020-01-01T00:00:00.000Z" };
  assertEquals(JSON.parse(stdout), [
    { path: "etc", type: "directory", mode: "0755", ...time, size: 0 },
    { path: "etc/a", type: "file", mode: "0644", ...time, size: 7, links: 1 },
    {
      path: "etc/link",
      type: "symlink",
      mode: "0777",
      ...time,
      size: 0,
      links: 1,
      target: "../bin/same",
    },
  ]);
});

Deno.test("oci ls reports a missing path", async () => {
  await using box = await setUp();

  const { code, stderr } = await box.oci("ls", box.reference, "nowhere");

  assertEquals(code, 1);
  assertStringIncludes(stderr, 'cannot find "nowhere" in the image');
});

Deno.test("oci export writes the same archive to standard output and to a file", async () => {
  await using box = await setUp();
  const archive = box.temp.join("rootfs.tar");

  const written = await box.oci("export", box.reference, "-o", archive);
  const { code, stdoutBytes } = await box.oci("export", box.reference);

  assertEquals([written.code, written.stdout, code], [0, "", 0], written.stderr);
  assertEquals(await Deno.readFile(archive), stdoutBytes);
  const listing = await run("tar", ["-tf", archive]);
  assertEquals([listing.code, listing.stderr], [0, ""]);
  assertEquals(listing.stdout.trim().split("\n"), [
    ...["usr/", "usr/bin/", "usr/bin/same", "usr/bin/tool", "bin", "loop", "gone", "far"],
    ...["data/", "data/new", "etc/", "etc/a", "etc/link"],
  ]);
});

Deno.test("oci export leaves no file behind when it fails", async () => {
  await using box = await setUp();

  const { code } = await box.oci(
    "export",
    "--policy=never",
    box.reference,
    "-o",
    box.temp.join("x"),
  );

  assertEquals(code, 1);
  assertEquals((await Array.fromAsync(Deno.readDir(box.temp.path))).length, 0);
});

/** A layer with a great many directories and files, each of them named in a header alone. */
function manyEntries(count: number): Uint8Array<ArrayBuffer> {
  return tar(...Array.from({ length: 100 }, (_, i) => {
    const entries = Array.from({ length: count / 100 }, (_, j) => {
      const name = `usr/share/directory-${i}/entry-${i}-${j}`;
      return j % 3 === 0 ? file(name) : dir(name);
    });
    return concat(...entries);
  }));
}

linuxTest("oci ls and export need little memory for a great many files", async () => {
  await using box = await setUp(buildImage({ layers: [manyEntries(100_000)] }));
  const peaks: number[] = [];
  for (const args of [["ls", "--long"], ["export"]]) {
    const { code, stderr } = await runOci(
      [...args, box.reference, "--platform=linux/amd64", "-q"],
      { env: { OCI_STORE: box.temp.join("store") }, module: join(ROOT, PEAK_MEMORY) },
    );
    assertEquals(code, 0, stderr);
    peaks.push(Number(stderr));
  }

  // Even the smallest program needs 80 MiB.
  const mib = peaks.map((kib) => Math.round(kib / 1024));
  assert(mib.every((peak) => peak > 50 && peak < 208), `MiB: ${mib.join(", ")}`);
});

linuxTest("oci cat reads a file whose name is not UTF-8", async () => {
  const names = [new Uint8Array([0x61, 0xe4]), new Uint8Array([0x61, 0xf6])];
  const layer = tar(...names.map((name, i) => file(name, `${i}`)));
  await using box = await setUp(buildImage({ layers: [layer] }));
  const listed = await box.oci("ls", box.reference);
  const env = { ...await denoEnvironment(), OCI_STORE: box.temp.join("store") };
  const oci = ["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, join(ROOT, "mod.ts")];
  const command = ["cat", "-q", "--platform=linux/amd64", box.reference];

  const { stdout, stderr } = await run("sh", [
    ...["-c", 'exec "$@" "$(printf "a\\366")"', "sh", Deno.execPath(), ...oci, ...command],
  ], { env });

  assertEquals(listed.stdout, "a\\u{dce4}\na\\u{dcf6}\n");
  assertEquals(stdout, "1", stderr);
});

Deno.test("oci ls shows times out of range, and escapes control characters", async () => {
  const layer = tar(
    file("late", "", { mtime: 9e15 }),
    file("early", "", { mtime: -9e15 }),
    file("\u009b1m"),
  );
  await using box = await setUp(buildImage({ layers: [layer] }));

  const long = await box.oci("ls", "--long", box.reference);
  const json = await box.oci("ls", "--json", box.reference);

  assertEquals(long.stdout.trim().split("\n").map((line) => line.trim().split(/ {2,}/).slice(-2)), [
    ["-271821-04-20 00:00", "early"],
    ["+275760-09-13 00:00", "late"],
    ["2020-01-01 00:00", "\\u{9b}1m"],
  ]);
  assertStringIncludes(json.stdout, '"\\u009b1m"');
  assertEquals(JSON.parse(json.stdout).map(({ path }: { path: string }) => path), [
    ...["early", "late", "\u009b1m"],
  ]);
});
