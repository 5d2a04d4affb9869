import {
  assert,
  assertArrayIncludes,
  assertEquals,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { existsSync } from "@std/fs";
import { dirname, join } from "@std/path";
import type { Mount } from "../../../../spec/mod.ts";
import { buildImage } from "../../../_support/image.ts";
import { writeLayout } from "../../../_support/peers.ts";
import { denoEnvironment, ROOT, run } from "../../../_support/process.ts";
import { linuxTest, rootTest } from "../../../_support/skip.ts";
import { dir, file, symlink, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { idsTest, makePlace, mountsIn, runOci } from "./_place.ts";

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
    // The container could replace a directory of a writable root.
    const data = readOnly.length > 0 ? `${rootfs}/srv/data` : binds[3].source ?? "";
    assert(readOnly.length > 0 || dirname(data) === `${path}/volumes`);
    assertEquals(binds.map(({ destination, source }: Mount) => [destination, source]), [
      ["/app", source],
      ["/app/modules", modules],
      ["/app/modules/a", source],
      ["/data", data],
      ...readOnly.map(() => ["/var/x", `${rootfs}/var/x`]),
      ["/etc/hosts", `${path}/hosts`],
    ]);
  },
);

linuxTest("oci bundle --read-only copies a volume that another volume contains", async () => {
  await using directory = await makeTempDir();
  const [layout, path] = [directory.join("layout"), directory.join("box")];
  const layers = [tar(file("bin/app"), dir("v"), symlink("link", "v/x"))];
  const config = { Cmd: ["/bin/app"], Volumes: { "/link/y/z": {}, "/v": {} } };
  await writeLayout(layout, { app: buildImage({ layers, config }) });

  const { code, stderr } = await runOci(
    ["bundle", "--quiet", "--bundler=uncompressed", "--read-only", `oci:${layout}:app`, path],
    { env: { OCI_STORE: directory.join("store") } },
  );

  assertEquals(code, 0, stderr);
  const { mounts } = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  // A container could otherwise replace it by a symlink to a directory of the host.
  assertEquals(
    mounts.filter(({ type }: Mount) => type === "bind").slice(0, 2)
      .map(({ destination, source }: Mount) => [destination, dirname(source ?? "")]),
    [["/v", `${path}/rootfs`], ["/link/y/z", `${path}/volumes`]],
  );
});

Deno.test.each([
  { why: "one in the image", entries: [file("etc/hosts", "127.0.0.1 mine\n")], args: [] },
  { why: "a file in place of /etc", entries: [file("etc", "")], args: [] },
  { why: "a mounted one", entries: [], args: ["--mount", "/etc/hostname:/etc/./hosts"] },
  { why: "a directory of the host at /etc", entries: [], args: ["-v", "/usr:/etc/"] },
  {
    why: "a directory of the host that a symlink at /etc leads to",
    entries: [dir("m"), symlink("etc", "/m")],
    args: ["-v", "/usr:/m"],
  },
  {
    why: "a directory of the host that a symlink at /etc passes through",
    entries: [dir("m"), symlink("m/link", "/other"), symlink("etc", "/m/link")],
    args: ["-v", "/usr:/m"],
  },
  {
    why: "a directory of the host that a symlink at /etc/hosts leads to",
    entries: [dir("etc"), dir("m"), symlink("etc/hosts", "../m/hosts")],
    args: ["-v", "/usr:/m"],
  },
  {
    why: "a directory of the host that is mounted at a symlink to /etc",
    entries: [dir("etc"), symlink("link", "etc")],
    args: ["-v", "/usr:/link"],
  },
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
  {
    why: "in a directory of the host",
    args: ["-h", "box", "-v", "/usr:/etc:ro"],
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

rootTest("oci bundle --uid-map gives the files of the container to other users", async () => {
  await using place = await makePlace();
  await Deno.chmod(place.directory.path, 0o755);
  const path = place.directory.join("box");
  const maps = ["--uid-map", "0:100000:10", "--uid-map", "10:500000:1000", "--gid-map", "0:7:9"];

  const { code, stderr } = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", ...maps, "--user=app", place.image, path],
  );

  assertEquals(code, 0, stderr);
  const { linux, process } = JSON.parse(await Deno.readTextFile(`${path}/config.json`));
  assertEquals(linux.uidMappings, [
    { containerID: 0, hostID: 100_000, size: 10 },
    { containerID: 10, hostID: 500_000, size: 1000 },
  ]);
  assertEquals(linux.gidMappings, [{ containerID: 0, hostID: 7, size: 9 }]);
  assertEquals([process.user.uid, process.user.gid], [7, 8]);
  const { uid, gid } = await Deno.lstat(`${path}/rootfs/bin/app`);
  assertEquals([uid, gid], [100_000, 7]);
  const outside = await place.oci(
    ...["bundle", "-q", "--bundler=uncompressed", "--uid-map=0:1:5", "--user=app", place.image],
    place.directory.join("other"),
  );
  assertStringIncludes(
    outside.stderr,
    "as user 7: the user namespace has only these user IDs: 0-4",
  );
  assertStringIncludes(outside.stderr, "or map it with --uid-map");
});

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
