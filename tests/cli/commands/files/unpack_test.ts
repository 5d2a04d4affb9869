import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { exists, walk } from "@std/fs";
import { unpack } from "../../../../mod.ts";
import { type ContentRange, serveRegistry } from "../../../../registry/mod.ts";
import type { Digest } from "../../../../spec/mod.ts";
import { buildImage, type BuiltImage, MemoryContent } from "../../../_support/image.ts";
import "../../../_support/native_backend.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { linuxTest, posixTest, rootTest } from "../../../_support/skip.ts";
import {
  device,
  dir,
  file,
  hardlink,
  noise,
  symlink,
  tar,
  whiteout,
} from "../../../_support/tar.ts";
import { makeTempDir, namesIn, type TempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const IMAGE: BuiltImage = buildImage({
  layers: [
    tar(
      dir("etc"),
      file("etc/motd", "old"),
      file("etc/gone", "x"),
      dir("usr"),
      dir("usr/bin"),
      file("usr/bin/tool", "tool", { mode: 0o755 }),
      hardlink("usr/bin/other", "usr/bin/tool"),
      symlink("bin", "usr/bin"),
    ),
    tar(dir("etc"), file("etc/motd", "new"), whiteout("etc/gone")),
  ],
});

/** A registry with an image, and a place for a store and a root. */
async function setUp(image = IMAGE, permissions = ["-A"]) {
  const content = new MemoryContent().add("app", "1", image);
  const server = await serveRegistry(content);
  const temp: TempDir = await makeTempDir();
  return {
    reference: `${server.host}/app:1`,
    root: temp.join("root"),
    temp,
    oci: (...args: readonly string[]) => {
      return runOci([...args, "--platform=linux/amd64", "-q"], {
        env: { OCI_STORE: temp.join("store") },
        permissions,
      });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

Deno.test("oci unpack prints the digest and makes the flattened tree", async () => {
  await using box = await setUp();

  const { code, stdout, stderr } = await box.oci("unpack", box.reference, box.root);

  assertEquals({ code, stdout, stderr }, {
    code: 0,
    stdout: `${IMAGE.descriptor.digest}\n`,
    stderr: "",
  });
  assertEquals(await Deno.readTextFile(`${box.root}/etc/motd`), "new");
  assertEquals(await Deno.readTextFile(`${box.root}/bin/other`), "tool");
  assert(!await exists(`${box.root}/etc/gone`));
});

Deno.test("oci unpack warns once without permission to call the C library", async () => {
  await using box = await setUp(IMAGE, ["-A", "--deny-ffi"]);

  const { code, stderr } = await box.oci("unpack", box.reference, box.root);

  assertEquals(code, 0);
  const [warning, ...others] = stderr.trimEnd().split("\n");
  assertStringIncludes(
    warning ?? "",
    `oci: warning: the native backend is not available for "${box.root}": it needs --allow-ffi`,
  );
  assertEquals(others, []);
});

Deno.test("oci unpack leaves the image in the store", async () => {
  await using box = await setUp();
  await box.oci("unpack", box.reference, box.root);

  const again = await box.oci("unpack", "--policy=never", box.reference, `${box.root}2`);

  assertEquals(again.code, 0, again.stderr);
  assertEquals(await Deno.readTextFile(`${box.root}2/etc/motd`), "new");
});

Deno.test("oci unpack --json prints counts and skipped entries", async () => {
  const xattrs = { "unknown.a": "y", "unknown.b": "y" };
  const layer = tar(device("null", "character", 1, 3), file("a", "12345", { xattrs }));
  await using box = await setUp(buildImage({ layers: [layer] }));

  const { code, stdout } = await box.oci("unpack", "--json", box.reference, box.root);
  const { stderr } = await box.oci("unpack", "-q", box.reference, `${box.root}2`);

  const { digest, entries, bytes, skipped } = JSON.parse(stdout);
  assertEquals([code, entries, bytes], [0, 2, 5]);
  assertStringIncludes(digest, "sha256:");
  const ofFile = skipped.filter(({ path }: { path: string }) => path === "a");
  assertStringIncludes(ofFile[0].reason, "unknown.a");
  assertStringIncludes(stderr, `warning: ${skipped.length} differences from the image, such as "`);
});

Deno.test("oci unpack refuses a directory that is not empty, except with --force", async () => {
  await using box = await setUp();
  await Deno.mkdir(box.root);
  await Deno.writeTextFile(`${box.root}/mine`, "keep");

  const refused = await box.oci("unpack", box.reference, box.root);
  const isFetched = await exists(box.temp.join("store", "blobs"));
  const forced = await box.oci("unpack", "--force", box.reference, box.root);

  assertEquals([refused.code, isFetched], [1, false]);
  assertStringIncludes(refused.stderr, "it is not empty");
  assertEquals(forced.code, 0, forced.stderr);
  assertEquals(await Deno.readTextFile(`${box.root}/mine`), "keep");
  assertEquals(await Deno.readTextFile(`${box.root}/etc/motd`), "new");
});

Deno.test("oci unpack that fails removes directories that it made, and empties one that existed", async () => {
  const layers = [tar(file("a", "x")), tar(hardlink("b", "nowhere"))];
  await using box = await setUp(buildImage({ layers }));
  await Deno.mkdir(`${box.root}-empty`);

  const made = await box.oci("unpack", box.reference, `${box.root}/deep/down`);
  const found = await box.oci("unpack", box.reference, `${box.root}-empty`);

  assertEquals([made.code, found.code], [1, 1]);
  assertStringIncludes(made.stderr, '"nowhere", does not exist');
  assert(!await exists(box.root));
  assertEquals(await Array.fromAsync(Deno.readDir(`${box.root}-empty`)), []);
});

Deno.test.each([
  { paths: ["etc"], there: ["etc/motd"], absent: ["usr", "bin"] },
  { paths: ["/etc/motd", "usr/bin/tool"], there: ["etc/motd", "usr/bin/tool"], absent: ["bin"] },
  { paths: ["usr/bin/other"], there: ["usr/bin/other"], absent: ["usr/bin/tool", "etc"] },
  { paths: ["bin/tool"], there: ["bin/tool", "usr/bin/tool"], absent: ["usr/bin/other", "etc"] },
])("oci unpack --path $paths unpacks nothing else", async ({ paths, there, absent }) => {
  await using box = await setUp();
  const flags = paths.flatMap((path) => ["--path", path]);

  const { code, stderr } = await box.oci("unpack", ...flags, box.reference, box.root);

  assertEquals(code, 0, stderr);
  for (const path of there) assert(await exists(`${box.root}/${path}`), path);
  for (const path of absent) assert(!await exists(`${box.root}/${path}`), path);
});

Deno.test("oci unpack --path names the path that the image lacks", async () => {
  await using box = await setUp();

  const { code, stderr } = await box.oci("unpack", "--path=opt", box.reference, box.root);

  assertEquals(code, 1);
  assertStringIncludes(stderr, 'cannot unpack "opt": the image does not contain it');
  assert(!await exists(box.root));
});

rootTest(
  "oci unpack maps the owners of files, and its help shows how to map those of root",
  async () => {
    await using box = await setUp();
    for (const maps of [["--uid-map=0:1000:10"], ["--uid-map=0:1000:10", "--gid-map=0:2000:10"]]) {
      const root = `${box.root}${maps.length}`;
      const { code, stderr } = await box.oci("unpack", ...maps, box.reference, root);
      const { uid, gid } = await Deno.stat(`${root}/etc/motd`);
      assertEquals([code, uid, gid], [0, 1000, 1000 * maps.length], stderr);
    }
    const { stdout: help } = await box.oci("unpack", "--help");
    assertStringIncludes(help, "--uid-map 0:100000:65536");
  },
);

const MISUSE = [
  { args: ["--uid-map", "0:0"], says: "CONTAINER:HOST:COUNT" },
  { args: ["--uid-map", "0:0:0"], says: "CONTAINER:HOST:COUNT" },
  {
    args: ["--uid-map", "0:0:1", "--ownership", "squash"],
    says: 'ID maps and "--ownership" cannot',
  },
  { args: ["--ownership", "mine"], says: "it must be strict, squash or record" },
].map(({ args, says }) => ({ args: ["unpack", ...args, "alpine", "root"], says }));

Deno.test.each(MISUSE)("oci reports $args as misuse", async ({ args, says }) => {
  const { code, stderr } = await runOci(args);

  assertEquals(code, 2);
  assertStringIncludes(stderr, says);
});

Deno.test("oci unpack uses no threads without permission to read their module", async () => {
  const layers = [tar(file("large", noise(5_000_000))), tar(file("etc", "x"))];
  await using box = await setUp(buildImage({ layers }));
  const place = box.temp.path;
  const permissions = ["--allow-net", "--allow-env", `--allow-read=${place}`].concat(
    `--allow-write=${place}`,
  );

  const { code, stdout, stderr } = await runOci(
    ["unpack", "--quiet", "--platform=linux/amd64", box.reference, box.root],
    { permissions, cwd: place, env: { HOME: place, OCI_STORE: box.temp.join("store") } },
  );

  assertEquals([code, stdout.startsWith("sha256:")], [0, true], stderr);
  assertEquals((await Deno.stat(`${box.root}/large`)).size, 5_000_000);
});

/** `oci unpack` of an image, which gets a signal while it downloads the base layer. */
async function setUpSignal() {
  const [base] = IMAGE.layers;
  let onBase = () => {};
  const temp: TempDir = await makeTempDir();
  const root = temp.join("root");
  await Deno.mkdir(root);
  const names = async () => {
    return (await Array.fromAsync(Deno.readDir(root))).map(({ name }) => name).sort();
  };
  const content = new class extends MemoryContent {
    override async open(repository: string, digest: Digest, range?: ContentRange) {
      if (digest === base?.descriptor.digest) {
        // The layer may be requested before the directory is in use.
        const signal = AbortSignal.timeout(60_000);
        while ((await names()).length === 0 && !signal.aborted) {
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
        onBase();
      }
      return await super.open(repository, digest, range);
    }
  }();
  const server = await serveRegistry(content.add("app", "1", IMAGE));
  const unpack = (flags: readonly string[], onStart?: (child: Deno.ChildProcess) => void) => {
    const args = ["unpack", "--platform=linux/amd64", "-q", ...flags];
    return runOci([...args, `${server.host}/app:1`, root], {
      env: { OCI_STORE: temp.join("store") },
      onStart,
    });
  };
  return {
    root,
    names,
    unpack: (...flags: readonly string[]) => unpack(flags),
    unpackUntil: (signal: Deno.Signal, onSent: (child: Deno.ChildProcess) => void = () => {}) => {
      return unpack([], (child) => {
        onBase = () => {
          onBase = () => {};
          child.kill(signal);
          onSent(child);
        };
      });
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await temp[Symbol.asyncDispose]();
    },
  };
}

posixTest(
  "oci unpack removes leftovers of a killed unpack, and other files only with --force",
  async () => {
    await using box = await setUpSignal();

    const killed = await box.unpackUntil("SIGKILL");
    const left = await box.names();
    await Deno.writeTextFile(`${box.root}/mine`, "1");
    const refused = await box.unpack();
    const kept = await box.names();
    const forced = await box.unpack("--force");

    assertEquals([killed.signal, left.length], ["SIGKILL", 1]);
    assertEquals([refused.code, kept], [1, [...left, "mine"]]);
    assertStringIncludes(refused.stderr, "it is not empty");
    assertEquals([forced.code, forced.stderr], [0, ""]);
    assertEquals(await box.names(), ["bin", "etc", "mine", "usr"]);
  },
);

posixTest("oci unpack replaces the leftovers of a killed unpack", async () => {
  await using box = await setUpSignal();
  await box.unpackUntil("SIGKILL");

  const { code, stderr } = await box.unpack();

  assertEquals([code, stderr], [0, ""]);
  assertEquals(await box.names(), ["bin", "etc", "usr"]);
});

posixTest("oci unpack refuses a directory that another process is unpacking into", async () => {
  await using box = await setUpSignal();
  const stopped = Promise.withResolvers<Deno.ChildProcess>();
  const first = box.unpackUntil("SIGSTOP", stopped.resolve);
  const child = await stopped.promise;
  const work = await box.names();

  const others = [await box.unpack(), await box.unpack("--force")];
  const kept = await box.names();
  child.kill("SIGCONT");
  const { code, stderr } = await first;

  for (const other of others) {
    assertEquals([other.code, other.stdout], [1, ""]);
    assertStringIncludes(other.stderr, "another process is unpacking into it");
  }
  assertEquals([work.length, kept], [1, work]);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(await box.names(), ["bin", "etc", "usr"]);
});

linuxTest("oci unpack says where it cannot create a directory", async () => {
  await using box = await setUp();
  const file = box.temp.join("file");
  await Deno.writeTextFile(file, "");

  const onFile = await box.oci("unpack", box.reference, file);
  const inProc = await box.oci("unpack", box.reference, "/proc/none");
  const store = await box.oci("pull", "--store", "/proc/none", box.reference);

  assertEquals([onFile.code, inProc.code, store.code], [1, 1, 1]);
  assertStringIncludes(onFile.stderr, `"${file}": it is not a directory. Choose another path`);
  assertStringIncludes(inProc.stderr, 'cannot create the directory "/proc/none": ');
  assertStringIncludes(store.stderr, 'cannot create the directory "/proc/none": ');
});

Deno.test("oci unpack --layer unpacks one layer alone, and fetches no other", async () => {
  await using scene = await setUp();
  const tree = async (root: string) => {
    const names = await Array.fromAsync(walk(root), ({ path }) => path.slice(root.length));
    return names.filter((name) => name !== "").sort();
  };
  const [base, top] = [`${scene.root}-0`, `${scene.root}-1`];

  const first = await scene.oci("unpack", scene.reference, base, "--layer=0");
  const images = await scene.oci("images");
  const second = await scene.oci("unpack", "--json", scene.reference, top, "--layer=1");
  const none = await scene.oci("unpack", scene.reference, scene.root, "--layer=2");

  assertEquals(first.stdout.trim(), IMAGE.descriptor.digest, first.stderr);
  assert((await tree(base)).includes("/etc/gone"));
  assertEquals(await Deno.readTextFile(`${base}/etc/motd`), "old");
  assertEquals(images.stdout.includes(scene.reference), false);
  assertEquals(await tree(top), ["/etc", "/etc/motd"], second.stderr);
  assertEquals(await Deno.readTextFile(`${top}/etc/motd`), "new");
  assertEquals(JSON.parse(second.stdout).digest, IMAGE.descriptor.digest);
  assertEquals(none.code, 1);
  assertStringIncludes(none.stderr, "its top layer has the number 1. Choose another layer");
  assertEquals(await exists(scene.root), false);
});

Deno.test("oci unpack --strip removes leading components of paths", async () => {
  await using scene = await setUp();

  const args = ["unpack", scene.reference, scene.root];
  const { code, stdout, stderr } = await scene.oci(...args, "--path=usr", "--strip=1");
  const layer = scene.temp.join("layer");
  await scene.oci("unpack", scene.reference, layer, "--layer=1", "--strip=1");
  const negative = await scene.oci(...args, "--strip=-1");
  const foreign = await scene.oci(...args, "--strip-components=1");

  assertEquals([code, stdout], [0, `${IMAGE.descriptor.digest}\n`], stderr);
  const names = await Array.fromAsync(walk(scene.root), ({ path }) => path);
  assertEquals(
    names.map((path) => path.slice(scene.root.length)).sort(),
    ["", "/bin", "/bin/other", "/bin/tool"],
  );
  assertEquals(await namesIn(layer), ["motd"]);
  assertEquals([negative.code, foreign.code], [2, 2]);
  assertStringIncludes(negative.stderr, "--strip");
  assertStringIncludes(foreign.stderr, 'Use "--strip"');
});

Deno.test("unpack() with a layer stores that layer alone", async () => {
  await using scene = await setUp();
  const [base, top] = IMAGE.layers.map(({ descriptor }) => descriptor.digest);
  const store = scene.temp.join("store");

  const { report } = await unpack(scene.reference, scene.root, {
    store,
    layer: 1,
    platform: "linux/amd64",
  });
  const blob = (digest: string | undefined) => `${store}/blobs/${digest?.replace(":", "/")}`;

  assertEquals(report.isPartial, true);
  assertEquals([await exists(blob(base)), await exists(blob(top))], [false, true]);
});
