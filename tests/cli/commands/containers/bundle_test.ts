import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { existsSync } from "@std/fs";
import { dirname, join } from "@std/path";
import { parseMount } from "../../../../cli/containers/_mount_option.ts";
import { readMounts } from "../../../../layer/linux/mount_table.ts";
import type { Mount } from "../../../../spec/mod.ts";
import { isRootlessNeeded, readRootlessMaps } from "../../../../store/mod.ts";
import { buildImage } from "../../../_support/image.ts";
import { writeLayout } from "../../../_support/peers.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { denoEnvironment, ROOT, run } from "../../../_support/process.ts";
import { linuxTest, testUnless } from "../../../_support/skip.ts";
import { dir, file, symlink, tar } from "../../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

/** Registers a test with a user other than root in the container. */
const idsTest = testUnless(
  isRootlessNeeded() && (await readRootlessMaps()).uidMap.length < 2
    ? "no subordinate user ids"
    : undefined,
);

/** Makes a layout with three images, and a store. */
async function makePlace() {
  const directory = await makeTempDir();
  const layers = [tar(
    file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n"),
    file("bin/app", "", { mode: 0o755 }),
  )];
  const layout = directory.join("layout");
  await writeLayout(layout, {
    app: buildImage({ layers, config: { Entrypoint: ["/bin/app"], Cmd: ["serve"], Env: ["A=1"] } }),
    empty: buildImage({ layers }),
  });
  const env = { OCI_STORE: directory.join("store"), SHARED: "from here" };
  return {
    image: `oci:${layout}:app`,
    /** An image that runs nothing. */
    empty: `oci:${layout}:empty`,
    directory,
    env,
    oci: (...args: readonly string[]) => runOci(args, { env }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

function mountsIn({ directory }: { readonly directory: TempDir }): readonly string[] {
  return readMounts().map(({ target }) => target).filter((target) =>
    target.startsWith(directory.path)
  );
}

Deno.test("oci bundle makes a bundle, and oci unbundle removes it", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const made = await place.oci("bundle", "--quiet", place.image, path);

  assertEquals([made.code, made.stdout], [0, `${path}\n`], made.stderr);
  const config = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertEquals(config.process.args, ["/bin/app", "serve"]);
  assertEquals((await Deno.stat(`${path}/rootfs/bin/app`)).isFile, true);
  const removed = await place.oci("unbundle", path);
  assertEquals([removed.code, removed.stdout, removed.stderr], [0, "", ""]);
  assertEquals(mountsIn(place), []);
  assertEquals(await Array.fromAsync(Deno.readDir(place.directory.join("store", "bundles"))), []);
});

linuxTest("oci bundle lets every user of a container reach its hosts file and mounts", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");
  const oci = [Deno.execPath(), "run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`]
    .concat(join(ROOT, "mod.ts"), "bundle", "--quiet", "-v", `${place.directory.path}:/data/x`)
    .concat(place.image, path);

  const { code, stderr } = await run("sh", ["-c", 'umask 077; exec "$@"', "sh", ...oci], {
    env: { ...await denoEnvironment(), ...place.env, HOME: place.directory.path },
  });

  assertEquals(code, 0, stderr);
  const modeOf = async (name: string) => ((await Deno.stat(`${path}/${name}`)).mode ?? 0) & 0o777;
  assertEquals([await modeOf("hosts"), await modeOf("rootfs/data")], [0o644, 0o755]);
  assertEquals((await place.oci("unbundle", path)).code, 0);
});

Deno.test("oci bundle --json describes the bundle", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const { code, stdout } = await place.oci(
    ...["bundle", "--json", "--quiet", "--bundler", "uncompressed", place.image, path],
  );

  const { digest, ...document } = JSON.parse(stdout);
  assertEquals(code, 0);
  assertMatch(digest, /^sha256:/);
  assertEquals(document, { path, reference: "localhost/layout:app", bundler: "uncompressed" });
});

idsTest("oci bundle applies its options to config.json", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");
  const source = place.directory.join("layout");

  const { code, stderr } = await place.oci(
    ...["bundle", "--quiet", "--bundler", "uncompressed", "--cpu", "500m", "--memory", "512Mi"],
    ...["--network", "host", "--read-only", "--user", "app", "--env", "B=x=y", "--env", "SHARED"],
    ...["--cwd", "/srv", "--arg", "--help", "--arg", "all", "--hostname", "box"],
    ...["--mount", `${source}:/data:ro`, "--mount", "type=tmpfs,target=/tmp,tmpfs-size=1m"],
    ...[place.image, path],
  );

  assertEquals(code, 0, stderr);
  const config = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  const { process, linux, mounts, root, hostname } = config;
  assertEquals(process.args, ["/bin/app", "--help", "all"]);
  assertEquals([process.user.uid, process.user.gid, process.cwd], [7, 8, "/srv"]);
  for (const line of ["A=1", "B=x=y", "SHARED=from here", "HOME=/home/app"]) {
    assert(process.env.includes(line), line);
  }
  assertEquals(linux.resources.cpu, { shares: 512, quota: 50_000, period: 100_000 });
  assertEquals(linux.resources.memory.limit, 536_870_912);
  assert(linux.namespaces.every(({ type }: { type: string }) => type !== "network"));
  assertEquals([root.readonly, hostname], [true, "box"]);
  assertEquals(mounts.slice(-3), [
    { destination: "/data", type: "bind", source, options: ["rbind", "rprivate", "ro"] },
    {
      destination: "/tmp",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "nodev", "size=1m", "mode=1777"],
    },
    {
      destination: "/etc/hostname",
      type: "bind",
      source: `${path}/hostname`,
      options: ["bind", "rprivate"],
    },
  ]);
});

idsTest("oci bundle accepts the options of docker", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");
  const source = place.directory.join("layout");

  const { code, stderr } = await place.oci(
    ...[
      "bundle",
      "-q",
      "--bundler=uncompressed",
      "-it",
      "--rm",
      "-e",
      "B=x",
      "-eC=y",
      "-w",
      "/srv",
    ],
    ...["-u", "app", "-v", `${source}:/data:ro`, "--volume", `${source}:/more`, "--cpus", "2"],
    ...["-m", "64Mi", "-h", "box", "--net=none", "--entrypoint", "/bin/app", "--arg", "x"],
    ...[place.image, path],
  );

  assertEquals(code, 0, stderr);
  const config = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  const { process, linux, mounts, hostname } = config;
  assertEquals([process.args, process.cwd], [["/bin/app", "x"], "/srv"]);
  assertEquals([process.user.uid, process.terminal, hostname], [7, true, "box"]);
  assert(process.env.includes("B=x") && process.env.includes("C=y"));
  assertEquals(mounts.slice(-4).map(({ destination }: Mount) => destination), [
    "/data",
    "/more",
    "/etc/hosts",
    "/etc/hostname",
  ]);
  assertEquals(await Deno.readTextFile(`${path}/hostname`), "box\n");
  const hosts = await Deno.readTextFile(`${path}/hosts`);
  assertStringIncludes(hosts, "127.0.0.1 localhost\n");
  assertStringIncludes(hosts, "127.0.0.1 box\n");
  assertEquals(linux.resources.memory.limit, 67_108_864);
  assertEquals(linux.resources.cpu.quota, 200_000);
});

linuxTest.each([{ readOnly: [] }, { readOnly: ["--read-only"] }])(
  "oci bundle $readOnly mounts directories from the root down, and volumes over them",
  async ({ readOnly }) => {
    await using directory = await makeTempDir();
    const [layout, path] = [directory.join("layout"), directory.join("box")];
    const module = file("app/modules/m", "m", { mode: 0o600 });
    const layers = [tar(file("bin/app"), dir("app/modules"), module, symlink("data", "/srv/data"))];
    const config = { Cmd: ["/bin/app"], Volumes: { "/var/x": {}, "/data": {}, "/dev/x": {} } };
    await writeLayout(layout, { app: buildImage({ layers, config }) });
    const source = directory.path;

    const { code, stderr } = await runOci(
      [
        ...["bundle", "--quiet", "--bundler=uncompressed", ...readOnly],
        ...["-v", "/app/modules", "--mount", "type=volume,target=/data/"],
        ...["-v", `${source}:/app/modules/a`, "-v", `${source}:/app`, `oci:${layout}:app`, path],
      ],
      { env: { OCI_STORE: directory.join("store") } },
    );

    assertEquals(code, 0, stderr);
    const { mounts } = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
    const binds = mounts.filter(({ type }: Mount) => type === "bind");
    const rootfs = `${path}/rootfs`;
    // In the container, its own place is below the mount at /app.
    const modules = binds[1].source;
    assertEquals([dirname(modules), await Deno.readTextFile(`${modules}/m`)], [
      `${path}/volumes`,
      "m",
    ]);
    assertEquals(binds.map(({ destination, source }: Mount) => [destination, source]), [
      ["/app", source],
      ["/app/modules", modules],
      ["/app/modules/a", source],
      ["/data", `${rootfs}/srv/data`],
      ...readOnly.map(() => ["/var/x", `${rootfs}/var/x`]),
      ["/etc/hosts", `${path}/hosts`],
    ]);
  },
);

Deno.test.each([
  { why: "one in the image", entries: [file("etc/hosts", "127.0.0.1 mine\n")], args: [] },
  { why: "a file in place of /etc", entries: [file("etc", "")], args: [] },
  { why: "a mounted one", entries: [], args: ["--mount", "/etc/hostname:/etc/hosts"] },
  { why: "the network of the host", entries: [], args: ["--network", "host"] },
])("oci bundle generates no hosts file with $why", async ({ entries, args }) => {
  await using directory = await makeTempDir();
  const [layout, path] = [directory.join("layout"), directory.join("box")];
  const layers = [tar(file("bin/app", "", { mode: 0o755 }), ...entries)];
  await writeLayout(layout, { app: buildImage({ layers, config: { Cmd: ["/bin/app"] } }) });

  const { code, stderr } = await runOci(
    ["bundle", "--quiet", "--bundler", "uncompressed", ...args, `oci:${layout}:app`, path],
    { env: { OCI_STORE: directory.join("store") } },
  );

  assertEquals(code, 0, stderr);
  assertEquals(existsSync(`${path}/hosts`), false);
});

Deno.test.each([
  { why: "without a host name", args: [] },
  {
    why: "where another file is mounted",
    args: ["-h", "box", "-v", "/etc/passwd:/etc/hostname"],
  },
])("oci bundle generates no /etc/hostname $why", async ({ args }) => {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const { code, stderr } = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", ...args, place.image, path],
  );

  assertEquals(code, 0, stderr);
  assertEquals(existsSync(`${path}/hostname`), false);
});

Deno.test.each([
  { args: ["--entrypoint", "/bin/other"], expected: ["/bin/other"] },
  { args: ["--entrypoint", "", "--arg", "/bin/x"], expected: ["/bin/x"] },
  { args: ["--entrypoint", '["/bin/x","-v"]', "--arg", "y"], expected: ["/bin/x", "-v", "y"] },
  { args: ["--entrypoint", "["], expected: ["["] },
])("oci bundle $args replaces the entry point", async ({ args, expected }) => {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const { code, stderr } = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", ...args, place.image, path],
  );

  assertEquals(code, 0, stderr);
  const { process } = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertEquals(process.args, expected);
});

linuxTest("oci bundle --rootless makes a container in a user namespace", async () => {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const { code, stderr } = await place.oci(
    ...["bundle", "--quiet", "--bundler", "uncompressed", "--rootless", place.image, path],
  );

  assertEquals(code, 0, stderr);
  const { linux } = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertEquals(linux.namespaces[0], { type: "user" });
  assertEquals(linux.uidMappings[0], { containerID: 0, hostID: Deno.uid(), size: 1 });
});

idsTest.each([
  { args: ["--user", "nobody-here"], says: 'cannot find user "nobody-here"' },
  { args: ["--user", "2147483648"], says: "IDs must be from 0 to 2147483647" },
])("oci bundle $args explains the problem, and leaves nothing behind", async ({ args, says }) => {
  await assertRefused(args, says);
});

const MISUSE = [
  { args: ["--cpu", "many"], says: '--cpu "many" is invalid: it must be a quantity' },
  { args: ["--memory", "1Xi"], says: '--memory "1Xi" is invalid: it must be a quantity' },
  { args: ["--user", ""], says: "it must not be empty" },
  { args: ["--user", ":"], says: "it must be USER or USER:GROUP" },
  { args: ["--memory", "512m"], says: "so it is less than one byte" },
  { args: ["--mount", "/etc:/"], says: "its target must be below the root" },
  { args: ["--cwd", "here"], says: "it must be an absolute path" },
  { args: ["--env", "=x"], says: "it must be NAME=VALUE" },
  { args: ["--mount", "./a:b"], says: "its target must be an absolute path" },
  { args: ["--mount", "/"], says: "its target must be below the root" },
  { args: ["--mount", "type=volume,target=/a,ro"], says: "cannot be read-only" },
  { args: ["--mount", "type=volume,src=x,target=/a"], says: 'write "./x" for a directory here' },
  { args: ["--mount", "data:/a"], says: 'write "./data" for a directory here' },
  { args: ["--mount", "/not/here:/a"], says: 'cannot mount "/not/here"' },
  { args: ["--read-only", "--read-write"], says: "cannot be combined" },
  { args: ["--bundler", "magic"], says: "it must be auto, overlay or uncompressed" },
];

Deno.test.each(MISUSE)("oci bundle reports $args as misuse", async ({ args, says }) => {
  await assertRefused(args, says, 2);
});

/** Checks that a bundle is refused with one line, and leaves nothing behind. */
async function assertRefused(args: readonly string[], says: string, code = 1): Promise<void> {
  await using place = await makePlace();
  const path = place.directory.join("box");

  const result = await place.oci("bundle", "--quiet", ...args, place.image, path);

  assertEquals([result.code, result.stdout], [code, ""], result.stderr);
  assertStringIncludes(result.stderr, says);
  const lines = result.stderr.trim().split("\n");
  // Without overlay support, it warns that the layers are extracted.
  assertEquals(lines.filter((line) => !line.startsWith("oci: warning: ")).length, 1, result.stderr);
  assertEquals(mountsIn(place), []);
  assertEquals(await Deno.stat(path).catch((error) => error.name), "NotFound");
}

for (const bundler of ["auto", "uncompressed"]) {
  for (
    const { user, says } of [
      { user: "nobody", says: 'user "nobody"' },
      { user: "app:wheel", says: 'group "wheel"' },
    ]
  ) {
    Deno.test(`oci bundle --user ${user} fails before it extracts, --bundler ${bundler}`, async () => {
      await using place = await makePlace();
      const path = place.directory.join("box");

      const { code, stdout, stderr } = await place.oci(
        ...["bundle", "-q", "--bundler", bundler, "--user", user, place.image, path],
      );

      assertEquals([code, stdout], [1, ""]);
      assertStringIncludes(stderr, says);
      const made = [
        path,
        ...["chains", "tarballs"].map((name) => place.directory.join("store", name)),
      ];
      assertEquals(made.filter((path) => existsSync(path)), []);
    });
  }
}

Deno.test("oci bundle --user accepts a name whose file is behind a link of a lower layer", async () => {
  await using place = await makePlace();
  const layout = place.directory.join("linked");
  // The upper layer alone shows no "etc" but a directory without a description.
  await writeLayout(layout, {
    app: buildImage({
      layers: [
        tar(dir("real"), symlink("etc", "real"), file("bin/app", "", { mode: 0o755 })),
        tar(file("etc/passwd", "app:x:0:0::/home/app:/bin/sh\n")),
      ],
      config: { Entrypoint: ["/bin/app"] },
    }),
  });
  const path = place.directory.join("box");

  const { code, stderr } = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", "--user=app", `oci:${layout}:app`, path],
  );

  assertEquals(code, 0, stderr);
  const config = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertArrayIncludes(config.process.env, ["HOME=/home/app"]);
});

Deno.test("oci bundle fails if there is no command to run", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci(
    ...["bundle", "--quiet", place.empty, place.directory.join("box")],
  );

  assertEquals(code, 1);
  assertStringIncludes(stderr, "there is no command to run. Specify the command with --arg");
});

Deno.test("oci bundle leaves a directory with content unchanged", async () => {
  await using place = await makePlace();
  const path = place.directory.join("mine");
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/file`, "mine");

  const bundled = await place.oci("bundle", "--quiet", place.image, path);
  const unbundled = await place.oci("unbundle", path);

  assertEquals([bundled.code, unbundled.code], [1, 1]);
  assertStringIncludes(bundled.stderr, "it is not empty. Choose an empty or new directory");
  assertStringIncludes(
    unbundled.stderr,
    "the store has no record of such a bundle. Check the path, or specify its store with --store",
  );
  assertEquals(await Deno.readTextFile(`${path}/file`), "mine");
  // It is refused before the image is fetched.
  assertEquals(existsSync(`${place.env.OCI_STORE}/blobs/sha256`), false);
});

Deno.test("oci bundle rejects an empty directory name", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci("bundle", "--quiet", place.image, "");

  assertEquals(code, 2);
  assertStringIncludes(stderr, "the directory name is empty. Specify a directory");
});

Deno.test("oci unbundle fails if the directory does not exist", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci("unbundle", place.directory.join("none"));

  assertEquals(code, 1);
  assertMatch(stderr, /".*none" does not exist\. Check the path\n$/);
});

Deno.test("oci run fails before it fetches an image if the runtime is not installed", async () => {
  await using place = await makePlace();

  const { code, stderr } = await place.oci("run", "--quiet", "--runtime", "norunc", place.image);

  assertEquals(code, 1);
  assertStringIncludes(stderr, "norunc is not installed. Install it, or choose another of crun");
  assertEquals(existsSync(place.directory.join("store/containers")), false);
});

Deno.test("oci run fails if the runtime cannot be executed, or lacks the permission", async () => {
  await using place = await makePlace();
  const { path } = place.directory;
  await Deno.writeTextFile(`${path}/crun`, "#!/no/such/program\n", { mode: 0o755 });
  const args = ["run", "--quiet", "--runtime", `${path}/crun`, place.image];
  const granted = ["--allow-read", "--allow-write", "--allow-env", "--allow-sys"];
  const env = { OCI_STORE: `${path}/store` };

  const odd = await place.oci(...args);
  const denied = await runOci(args, { env, permissions: granted });

  assertEquals([odd.code, denied.code], [1, 1]);
  assertMatch(odd.stderr, /cannot run .*crun: .*\. Check that it is a program for this machine\n$/);
  assertMatch(denied.stderr, /Requires run access to [^,]*\. Grant --allow-run=.*crun\n$/);
});

Deno.test.each([
  { text: "/a:/b" },
  { text: "/a:/b:ro,z", options: ["rbind", "rprivate", "ro"] },
  { text: "/a:/b:Z" },
  { text: "/a:/b:rslave,cached", options: ["rbind", "rslave", "rw"] },
  { text: "./a:/b", source: `${Deno.cwd()}/a` },
  { text: "type=bind,src=/a,dst=/b,ro", options: ["rbind", "rprivate", "ro"] },
  { text: "source=/a,target=/b,readonly=false" },
  { text: 'type=bind,"src=/a, ""b"":c",dst=/b', source: '/a, "b":c' },
  { text: "source=/a=b,target=/b,ro=0", source: "/a=b" },
  {
    text: "source=/a,target=/b,bind-propagation=rslave,consistency=cached",
    options: ["rbind", "rslave", "rw"],
  },
])("parseMount() reads $text", ({ text, source = "/a", options = ["rbind", "rprivate", "rw"] }) => {
  assertEquals(parseMount(text), { type: "bind", destination: "/b", source, options });
});

Deno.test.each([
  { setting: "tmpfs-size=64k", option: "size=64k" },
  { setting: "tmpfs-size=50%", option: "size=50%" },
  { setting: "tmpfs-size=1Mi", option: "size=1048576" },
  { setting: "tmpfs-size=1.5Ki", option: "size=1536" },
  { setting: "tmpfs-mode=0700", option: "mode=0700" },
  { setting: "ro", option: "ro" },
])("parseMount() makes $option of $setting", ({ setting, option }) => {
  const { options = [] } = parseMount(`type=tmpfs,target=/b,${setting}`);

  assert(options.includes(option), options.join());
});

Deno.test.each([
  { text: "/a:b" },
  { text: ":/b" },
  { text: "/a:/b:rx" },
  { text: "/a:/b:ro:z" },
  { text: "/a:/b:ro,rw" },
  { text: "/a:/b:shared,slave" },
  { text: "/a:/b:" },
  { text: "data:/b" },
  { text: "type=nfs,target=/b" },
  { text: "target=/b" },
  { text: "source=/a" },
  { text: "source=/a,target=/b,uid=0" },
  { text: "source=/a,src=/c,target=/b" },
  { text: "source=/a,target=/b,readonly=maybe" },
  { text: "source=/a,target=/b,tmpfs-size=1m" },
  { text: "type=tmpfs,source=/a,target=/b" },
  { text: "source=/a,target=/b,bind-propagation=x" },
  { text: "type=volume,target=/b,bind-propagation=rslave" },
  { text: "type=constructor,target=/b" },
  { text: "type=tmpfs,target=/b,tmpfs-size=large" },
  { text: "type=tmpfs,target=/b,tmpfs-size=512m,exec" },
  { text: "type=tmpfs,target=/b,tmpfs-mode=9" },
  { text: "type=tmpfs,target=/" },
  { text: "/a:/./" },
  { text: 'source="/a,b",target=/b' },
  { text: "" },
])("parseMount() refuses $text", ({ text }) => {
  assertThrows(() => parseMount(text), SyntaxError);
});
