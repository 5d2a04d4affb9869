import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { COMMANDS } from "../../../../cli/commands.ts";
import { serveRegistry } from "../../../../registry/mod.ts";
import { makeCertificates } from "../../../_support/certificates.ts";
import { faultyRegistry } from "../../../_support/faulty_registry.ts";
import { blobOf, buildImage, MemoryContent } from "../../../_support/image.ts";
import { assertGranted, permissionsFor } from "../../../_support/oci_permissions.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { ROOT, run } from "../../../_support/process.ts";
import {
  buildTagged,
  makeKey,
  manifestOf,
  signatureTag,
  signTagged,
} from "../../../_support/signing.ts";
import { linuxTest } from "../../../_support/skip.ts";
import { fifo, file, hardlink, symlink, tar, toUint8Array } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";

const runOci = ociSession();

const IMAGE = buildImage({
  layers: [
    tar(
      file("a", "x", { uid: 7, xattrs: { "user.note": "kept" } }),
      ...[symlink("link", "a"), hardlink("b", "a"), fifo("pipe")],
    ),
  ],
  platform: "linux/amd64",
});

Deno.test.each([
  { name: "$OCI_STORE", variable: "OCI_STORE", suffix: "" },
  { name: "$XDG_DATA_HOME", variable: "XDG_DATA_HOME", suffix: "/oci" },
])("oci permissions serves each command that needs the store in $name", async ({ variable }) => {
  await using dir = await makeTempDir();
  const env = { HOME: dir.path, OCI_STORE: "", [variable]: dir.join("data") };
  await using server = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const ref = `${server.host}/app:1`;

  await assertGranted(
    runOci,
    [
      ["inspect", ref, "--platform", "linux/amd64"],
      ["pull", ref, "--platform", "linux/amd64"],
      ["pull", ref, "--platform", "linux/amd64", "--policy", "never"],
      ["inspect", ref, "--platform", "linux/amd64"],
      ["images"],
      ["rm", ref],
    ],
    { env },
  );
});

Deno.test("oci permissions serves commands that read signatures and SBOMs", async () => {
  await using dir = await makeTempDir();
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const key = makeKey();
  await Deno.writeTextFile(dir.join("cosign.pub"), key.pem);
  const { digest } = IMAGE.descriptor;
  const sbom = blobOf("text/spdx", toUint8Array("SPDXVersion: SPDX-2.3"));
  const content = new MemoryContent().add("app", "1", IMAGE)
    .add("app", signatureTag(digest), buildTagged([signTagged(key, digest)]))
    .add("app", `${digest.replace(":", "-")}.sbom`, manifestOf(sbom, [sbom]));
  await using server = await serveRegistry(content);
  const verify = `--verify=key=${dir.join("cosign.pub")}`;

  await assertGranted(runOci, [
    ["pull", verify, `${server.host}/app:1`, "--platform", "linux/amd64"],
    ["copy", verify, `${server.host}/app:1`, `oci:${dir.join("layout")}:1`],
    ["sbom", `${server.host}/app:1`, "--platform", "linux/amd64"],
  ], { env });
});

Deno.test("oci permissions suffices for each command that only queries a registry", async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const env = { HOME: dir.path };

  const [digest, tags] = await assertGranted(
    runOci,
    [["digest", `${server.host}/app:1`], ["tags", `${server.host}/app`]],
    { env },
  );

  assertEquals([digest?.stdout, tags?.stdout], [`${IMAGE.descriptor.digest}\n`, "1\n"]);
});

Deno.test("oci permissions suffices for a registry whose authority is in certs.d", async () => {
  await using dir = await makeTempDir();
  const { ca, cert, key } = await makeCertificates(dir.path);
  const content = new MemoryContent().add("app", "1", IMAGE);
  await using server = faultyRegistry(content, [], {
    tls: { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) },
  });
  const directory = dir.join(".docker/certs.d", server.host);
  await Deno.mkdir(directory, { recursive: true });
  await Deno.copyFile(ca, join(directory, "ca.crt"));

  const [digest] = await assertGranted(
    runOci,
    [["digest", `${server.host}/app:1`]],
    { env: { HOME: dir.path } },
  );

  assertEquals(digest?.stdout, `${IMAGE.descriptor.digest}\n`);
});

Deno.test("oci permissions suffices for the commands that read or write an image's files", async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const env = { HOME: dir.path, OCI_STORE: dir.join("store"), FOO: "foo" };
  const ref = `${server.host}/app:1`;
  const options = ["-q", "--platform", "linux/amd64", ref];

  await assertGranted(
    runOci,
    [
      ["ls", "--long", ...options],
      ["cat", ...options, "/a"],
      ["export", ...options],
      ["export", "--policy", "never", ...options, "-o", dir.join("a.tar")],
      ["export", ...options, `--output=${dir.join("deep.tar")}`],
      ["unpack", ...options, dir.join("root")],
      ["unpack", "--ownership", "record", ...options, dir.join("recorded")],
      ["bundle", "--env", "FOO", "--arg", "sh", ...options, dir.join("box")],
      ["unbundle", dir.join("box")],
      ["bundle", "--bundler", "uncompressed", "--arg=sh", ...options, dir.join("copy")],
      ["unbundle", dir.join("copy")],
    ],
    { env },
  );
  assertEquals((await Deno.readFile(dir.join("a.tar"))).length > 1024, true);
});

linuxTest(
  "oci permissions lets unpack keep metadata that only the C library can write",
  async () => {
    await using dir = await makeTempDir();
    await using server = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
    const args = ["unpack", "--json", "--ownership", "record", `${server.host}/app:1`];

    const [result] = await assertGranted(runOci, [[...args, dir.join("root")]], {
      env: { HOME: dir.path },
    });

    assertEquals(result?.stderr.includes("warning"), false, result?.stderr);
    assertEquals(JSON.parse(result?.stdout ?? "").skipped, []);
    assertEquals((await Deno.stat(dir.join("root/pipe"))).isFifo, true);
  },
);

const ALONE = [
  { args: ["demo"] },
  { args: ["version"] },
  { args: ["completions", "bash"] },
  { args: ["permissions", "pull", "alpine"] },
  { args: ["permissions", "run", "--env", "FOO", "alpine"] },
  { args: ["permissions", "demo"] },
];

Deno.test.each(ALONE)("oci permissions serves $args", async ({ args }) => {
  const [result] = await assertGranted(runOci, [args]);

  assertEquals(result?.stderr, "");
});

Deno.test("oci permissions lets a checkout read its modules, and nothing else", async () => {
  const flags = await permissionsFor(runOci, ["version"]);

  assertEquals(flags, [`--allow-read=${ROOT}`]);
  const args = ["run", "--no-prompt", ...flags, join(ROOT, "mod.ts"), "version"];
  const { code, stderr } = await run(Deno.execPath(), args, { inheritEnv: true });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("oci permissions supports every command", async () => {
  for (const name of COMMANDS.keys()) {
    const flags = await permissionsFor(runOci, [name], { env: { OCI_STORE: "/store" } });

    for (const flag of flags) assertMatch(flag, /^--allow-/);
  }
});

Deno.test("oci permissions prints one line that a shell can read", async () => {
  const { code, stdout } = await runOci(
    ["permissions", "pull", "ghcr.io/owner/app:1", "--store", "/srv/my images", "--ca", "/ca.pem"]
      .concat("--mirror", "ghcr.io=https://mirror.example:8443"),
    { env: { HOME: "/home/me" } },
  );

  assertEquals(code, 0);
  assertMatch(stdout, /^--allow-net=ghcr\.io,.*mirror\.example:8443 /);
  assertMatch(stdout, / '--allow-read=\/ca\.pem,\/srv\/my images,[^']+' /);
  assertEquals(stdout.trimEnd().split("\n").length, 1);
});

Deno.test("oci permissions prints flags that $(…) of a shell passes to deno unchanged", async () => {
  const { stdout } = await runOci(["permissions", "pull", "quay.io/a/b:1"], {
    env: { HOME: "/home/me", OCI_STORE: "/store" },
  });

  assertMatch(stdout, /^--allow-net=quay\.io,\*\.quay\.io /);
});

Deno.test.each([
  { args: ["serve", "--read-only"] },
  { args: ["serve", "--listen", "0.0.0.0:5000"] },
])("oci permissions grants no writing to $args", async ({ args }) => {
  const [net = "", ...rest] = await permissionsFor(runOci, ["--store", "/s", ...args]);

  assertMatch(net, /^--allow-net=[0-9.]+:5000$/);
  assertEquals(rest, [`--allow-read=/s,${ROOT}`, "--allow-sys=uid"]);
});

const SUBJECTS = [
  { args: ["pull", "a.io/b", "c.io/d"], has: "--allow-net=a.io,c.io" },
  { args: ["pull", "--unpack", "a.io/b"], has: "--allow-ffi" },
  { args: ["run", "--env", "FOO", "--env", "BAR=1", "a.io/b"], has: "--allow-env=FOO,REGISTRY" },
  { args: ["run", "a.io/b", "--", "--env", "FOO"], has: "--allow-env=REGISTRY" },
  { args: ["run", "--runtime", "/opt/crun", "a.io/b"], has: "--allow-run=/opt/crun,fuse-" },
  { args: ["bundle", "--bundler=uncompressed", "a.io/b", "box"], has: "--allow-sys=uid,gid" },
  { args: ["serve", "--listen", "[::1]:80"], has: "--allow-net=[::1]:80" },
  { args: ["serve", "--htpasswd=p"], has: "--allow-read=p,/s" },
  {
    args: ["serve", "--proxy", "https://ghcr.io"],
    has: "--allow-net=127.0.0.1:5000,ghcr.io,pkg-containers.githubusercontent.com",
  },
  { args: ["serve", "--proxy", "https://ghcr.io"], has: "--allow-write=/s" },
  { args: ["serve", "--listen", "0.0.0.0:80", "--htpasswd=p"], has: "--allow-write=/s" },
  { args: ["bundle", "--read-only", "a.io/b", "box"], has: "--allow-write" },
  { args: ["export", "a.io/b", "-o", "out/a.tar"], has: "--allow-write=/s,out" },
  { args: ["unpack", "a.io/b", "/dev/shm/root"], has: "--allow-all" },
  { args: ["images", "--store", "/t"], has: "--allow-read=/t" },
];

Deno.test.each(SUBJECTS)("oci permissions reads all of $args", async ({ args, has }) => {
  const env = { HOME: "/home/me" };
  const flags = await permissionsFor(runOci, ["--store", "/s", ...args], { env });

  assert(flags.some((flag) => flag.startsWith(has)), flags.join(" "));
});

Deno.test.each([
  { args: ["--json", "images"] },
  { args: ["images", "--json"] },
])("oci permissions prints one document for $args", async ({ args }) => {
  const { stdout } = await runOci(["permissions", ...args], { env: { OCI_STORE: "/s" } });

  const { command, flags } = JSON.parse(stdout);
  assertEquals([command, flags[0]], ["images", `--allow-read=/s,${ROOT}`]);
});

linuxTest("oci permissions explains --allow-all, also for a relative path", async () => {
  const args = ["permissions", "images", "--store", "s"];
  const { stdout, stderr } = await runOci(args, { cwd: "/dev" });

  assertEquals(stdout, "--allow-all\n");
  assertEquals(
    stderr,
    "oci: Deno allows access to files in /dev, /proc and /sys only with all permissions\n",
  );
  const json = await runOci([...args, "--json"], { cwd: "/dev" });
  assertEquals(`oci: ${JSON.parse(json.stdout).reason}\n`, stderr);
});

Deno.test("oci permissions grants no network to a command that sends no request", async () => {
  const args = ["pull", "a.io/b", "--policy", "never"];
  const flags = await permissionsFor(runOci, args, { env: { OCI_STORE: "/store" } });

  assertEquals(flags.map((flag) => flag.split("=")[0]), [
    "--allow-read",
    "--allow-write",
    "--allow-env",
    "--allow-sys",
  ]);
});

const MISUSE = [
  { args: ["serve", "--listen", "bad"], says: 'it must be HOST:PORT.*See "oci serve --help"' },
  { args: ["pull", "--nope", "a"], says: 'unknown option "--nope". See "oci pull --help"' },
  { args: ["pull", "--creds", "a:b", "a"], says: 'Use "--user NAME' },
  { args: ["pull", "Alpine"], says: 'Did you mean "alpine"\\?' },
  { args: [], says: "<command> is missing" },
].map(({ args, says }) => ({ args: ["permissions", ...args], says }));

Deno.test.each(MISUSE)("oci reports $args as misuse", async ({ args, says }) => {
  const { code, stdout, stderr } = await runOci(args);

  assertEquals({ code, stdout }, { code: 2, stdout: "" });
  assertMatch(stderr, new RegExp(`^oci: permissions.*: .*${says}`));
});

Deno.test("oci pull names the flag that is missing", async () => {
  await using dir = await makeTempDir();
  await using server = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));

  const { code, stderr } = await runOci(["pull", `${server.host}/app:1`], {
    env: { OCI_STORE: dir.path },
    permissions: ["--allow-env=OCI_STORE", `--allow-read=${dir.path}`],
  });

  assertEquals(code, 1);
  assertMatch(
    stderr,
    /oci: pull .*net access.*\. Grant --allow-net=[^,]+, or all that it needs: "oci permissions pull/,
  );
});
