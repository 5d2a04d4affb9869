import { assert, assertEquals, assertMatch } from "@std/assert";
import { COMMANDS } from "../../cli/_commands.ts";
import { serveRegistry } from "../../registry/mod.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { type ProcessResult, runOci } from "../_support/process.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });

/** What `oci permissions` prints for a command, as flags of `deno run`. */
async function flagsFor(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const { code, stdout, stderr } = await runOci(["permissions", "--json", ...args], { env });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  return JSON.parse(stdout).flags;
}

/** Runs a command under exactly the flags that are printed for it. */
async function runGranted(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  granted: readonly string[] = args,
): Promise<ProcessResult> {
  return await runOci(args, { env, permissions: await flagsFor(granted, env) });
}

Deno.test.each([
  { name: "$OCI_STORE", variable: "OCI_STORE", suffix: "" },
  { name: "$XDG_DATA_HOME", variable: "XDG_DATA_HOME", suffix: "/oci" },
])("oci permissions serves each command that needs the store in $name", async ({ variable }) => {
  await using dir = await makeTempDir();
  const env = { HOME: dir.path, OCI_STORE: "", [variable]: dir.join("data") };
  await using server = serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const ref = `${server.host}/app:1`;

  for (
    const args of [
      ["inspect", ref, "--platform", "linux/amd64"],
      ["pull", ref, "--platform", "linux/amd64"],
      ["pull", ref, "--platform", "linux/amd64", "--policy", "never"],
      ["inspect", ref, "--platform", "linux/amd64"],
      ["images"],
      ["rm", ref],
    ]
  ) {
    const { code, stderr } = await runGranted(
      args,
      env,
      args[0] === "rm" ? ["rm"] : args.slice(0, 2),
    );

    assertEquals({ args, code, stderr: code === 0 ? "" : stderr }, { args, code: 0, stderr: "" });
  }
});

Deno.test("oci permissions serves each command that only asks a registry", async () => {
  await using dir = await makeTempDir();
  await using server = serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const env = { HOME: dir.path };

  const digest = await runGranted(["digest", `${server.host}/app:1`], env);
  const tags = await runGranted(["tags", `${server.host}/app`], env);

  assertEquals([digest.code, digest.stdout], [0, `${IMAGE.descriptor.digest}\n`]);
  assertEquals([tags.code, tags.stdout], [0, "1\n"]);
});

Deno.test("oci permissions serves the commands that read an image's files", async () => {
  await using dir = await makeTempDir();
  await using server = serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };
  const ref = `${server.host}/app:1`;
  const options = ["-q", "--platform", "linux/amd64"];

  const granted = (...args: readonly string[]) => {
    return runGranted([...args, ...options], env, args.slice(0, 2));
  };

  const ls = await granted("ls", ref);
  const cat = await granted("cat", ref, "/a");
  const exported = await granted("export", ref);
  const unpack = await granted("unpack", ref, dir.join("root"));

  assertEquals([ls.code, cat.code, exported.code, unpack.code], [0, 0, 0, 0], unpack.stderr);
  assertEquals(cat.stdout, await Deno.readTextFile(dir.join("root/a")));
});

Deno.test.each([
  { args: ["demo"] },
  { args: ["version"] },
  { args: ["completions", "bash"] },
  { args: ["permissions", "pull", "alpine"] },
])("oci permissions serves $args", async ({ args }) => {
  await using dir = await makeTempDir();
  const env = { HOME: dir.path, OCI_STORE: dir.join("store") };

  const { code, stderr } = await runGranted(args, env, args.slice(0, 1));

  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

Deno.test("oci permissions knows every command", async () => {
  for (const name of COMMANDS.keys()) {
    const flags = await flagsFor([name], { OCI_STORE: "/store" });
    assert(flags.every((flag) => flag.startsWith("--allow-")), flags.join(" "));
  }
});

Deno.test("oci permissions prints one line that a shell can take", async () => {
  const { code, stdout } = await runOci(
    ["permissions", "pull", "ghcr.io/owner/app:1", "--store", "/srv/my images", "--ca", "/ca.pem"]
      .concat("--mirror", "ghcr.io=https://mirror.example:8443"),
    { env: { HOME: "/home/me" } },
  );

  assertEquals(code, 0);
  assertMatch(stdout, /^--allow-net=ghcr\.io,.*mirror\.example:8443 /);
  assertMatch(stdout, / '--allow-read=\/ca\.pem,\/srv\/my images,\S+' /);
  assertEquals(stdout.trimEnd().split("\n").length, 1);
});

Deno.test("oci permissions prints what a shell's $(…) hands to deno as it stands", async () => {
  const { stdout } = await runOci(["permissions", "pull", "quay.io/a/b:1"], {
    env: { HOME: "/home/me", OCI_STORE: "/store" },
  });

  assertMatch(stdout, /^--allow-net=quay\.io,\*\.quay\.io /);
});

Deno.test("oci pull names the flag that is missing", async () => {
  await using dir = await makeTempDir();
  await using server = serveRegistry(new MemoryContent().add("app", "1", IMAGE));

  const { code, stderr } = await runOci(["pull", `${server.host}/app:1`], {
    env: { OCI_STORE: dir.path },
    permissions: ["--allow-env=OCI_STORE", `--allow-read=${dir.path}`],
  });

  assertEquals(code, 1);
  assertMatch(stderr, /oci: pull .*net access.*; grant it with --allow-net/);
});
