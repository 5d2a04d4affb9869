import { assertEquals, assertRejects } from "@std/assert";
import { permissionFlags } from "../../../cli/permissions/permission_flags.ts";
import type { PermissionOptions } from "../../../cli/permissions/permission_options.ts";
import { CertificateDirectories } from "../../../registry/mod.ts";
import { findProgram } from "../../../store/host/find_program.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

const STORE_FLAGS = ["--allow-read=/srv/oci", "--allow-write=/srv/oci", "--allow-sys=uid"];
const AUTHFILE = "/none/auth.json";

/** Values that flags have for credentials and certificates. */
const USUAL: ReadonlySet<string> = new Set([
  AUTHFILE,
  ...new CertificateDirectories().paths,
  ...["XDG_CONFIG_HOME", "HOME", "USERPROFILE"],
]);

/** Returns the flags for a command with the store `/srv/oci`, without the usual values. */
async function flagsOf(
  command: string,
  references: readonly string[] = [],
  options: PermissionOptions = {},
): Promise<readonly string[]> {
  const all = { store: "/srv/oci", authfile: AUTHFILE, ...options };
  return (await permissionFlags(command, references, all)).flatMap((flag) => {
    const [kind = "", list] = flag.split("=");
    if (list === undefined) return [kind];
    const values = list.split(",").filter((value) => !USUAL.has(value));
    return values.length === 0 ? [] : [`${kind}=${values.join(",")}`];
  });
}

Deno.test.each([
  {
    reference: "alpine",
    hosts: [
      "registry-1.docker.io",
      "auth.docker.io",
      "production.cloudflare.docker.com",
      "production.cloudfront.docker.com",
      "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
    ],
  },
  { reference: "quay.io/a/b", hosts: ["quay.io", "*.quay.io"] },
  { reference: "eu.gcr.io/a/b", hosts: ["eu.gcr.io", "storage.googleapis.com"] },
  {
    reference: "1.dkr.ecr.eu-west-1.amazonaws.com/a",
    hosts: ["1.dkr.ecr.eu-west-1.amazonaws.com", "*.amazonaws.com"],
  },
  { reference: "example.com/docker.io/a", hosts: ["example.com"] },
  { reference: "[::1]:5000/a", hosts: ["[::1]:5000"] },
])("permissionFlags() lets a pull of $reference reach its hosts", async ({ reference, hosts }) => {
  const flags = await flagsOf("pull", [reference]);

  assertEquals(flags, [
    `--allow-net=${hosts.join(",")}`,
    "--allow-read=/srv/oci",
    "--allow-write=/srv/oci",
    "--allow-sys=uid",
  ]);
});

Deno.test.each(
  [
    { command: "version", flags: [] },
    { command: "completions", flags: [] },
    { command: "images", flags: ["--allow-read=/srv/oci", "--allow-sys=uid"] },
    { command: "rm", flags: STORE_FLAGS },
    { command: "fsck", flags: STORE_FLAGS },
    { command: "serve", flags: ["--allow-net=127.0.0.1:5000", ...STORE_FLAGS] },
    { command: "pull", flags: ["--allow-net", ...STORE_FLAGS] },
  ] as const,
)("permissionFlags() of $command", async ({ command, flags }) => {
  assertEquals(await flagsOf(command), [...flags]);
});

Deno.test.each(
  [
    { command: "unpack", options: {}, flags: ["--allow-sys=uid"] },
    { command: "pull", options: { unpack: true }, flags: ["--allow-sys=uid"] },
    {
      command: "bundle",
      options: { bundler: "uncompressed" },
      flags: ["--allow-env=PATH", "--allow-sys=uid,gid"],
    },
    {
      command: "run",
      options: { runtime: "/opt/crun", bundler: "uncompressed", env: [["A"], ["B", "b"]] },
      flags: ["--allow-env=A,PATH", "--allow-run=/opt/crun", "--allow-sys=uid,gid"],
    },
    {
      command: "run",
      options: {
        runtime: "/opt/crun",
        bundler: "uncompressed",
        uidMap: [{ containerId: 0, hostId: 1000, size: 1 }],
      },
      flags: ["--allow-env=PATH", "--allow-run=/opt/crun", "--allow-sys=uid,gid"],
    },
  ] as const,
)("permissionFlags() of $command with $options calls the C library", async (row) => {
  const flags = await flagsOf(row.command, ["oci:/srv/layout"], row.options);

  assertEquals(flags, ["--allow-read", "--allow-write", ...row.flags, "--allow-ffi"]);
});

Deno.test("permissionFlags() grants no network access with the policy Never", async () => {
  const options = { policy: "Never", output: "out/a.tar" } as const;

  assertEquals(await flagsOf("export", ["example.com/a"], options), [
    "--allow-read=/srv/oci,out",
    "--allow-write=/srv/oci,out",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() combines several references", async () => {
  const references = ["example.com/a", "oci:/srv/layout", "quay.io/b"];

  assertEquals(await flagsOf("pull", references), [
    "--allow-net=example.com,quay.io,*.quay.io",
    "--allow-read=/srv/oci,/srv/layout",
    "--allow-write=/srv/oci",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() adds the hosts of mirrors", async () => {
  const [net] = await flagsOf("pull", ["example.com/a"], {
    mirror: [
      ["example.com", "https://mirror.example:8443/v2"],
      ["docker.io", "https://no.example"],
    ],
  });

  assertEquals(net, "--allow-net=example.com,mirror.example:8443");
});

Deno.test("permissionFlags() recognizes each name of a registry that a client does", async () => {
  const flags = await flagsOf("digest", ["alpine"], {
    mirror: [["index.docker.io", "https://mirror.example"]],
  });

  const net = flags.find((flag) => flag.startsWith("--allow-net="));
  assertEquals(net?.endsWith(",mirror.example"), true, net);
});

Deno.test("permissionFlags() lets a layout be read, and no network be reached", async () => {
  assertEquals(await flagsOf("pull", ["oci:/srv/layout:v1"]), [
    "--allow-read=/srv/oci,/srv/layout",
    "--allow-write=/srv/oci",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() names the credential helpers of the registry", async () => {
  await using directory = await makeTempDir();
  const authfile = directory.join("config.json");
  await Deno.writeTextFile(
    authfile,
    JSON.stringify({
      credsStore: "desktop",
      credHelpers: { "https://ghcr.io/v1/": "gh", "quay.io": "quay", "ghcr.io/me": "gh" },
    }),
  );

  const flags = await flagsOf("digest", ["ghcr.io/me/app"], { authfile });

  assertEquals(flags.at(-1), "--allow-run=docker-credential-gh,docker-credential-desktop");
  assertEquals(flags[1], `--allow-read=${authfile}`);
  const mirrored = await flagsOf("digest", ["example.com/a"], {
    authfile,
    mirror: [["example.com", "https://quay.io/mirror"]],
  });
  assertEquals(mirrored.at(-1), "--allow-run=docker-credential-desktop,docker-credential-quay");
});

Deno.test("permissionFlags() grants the variables that locate credential files", async () => {
  const flags = await permissionFlags("digest", ["example.com/a"], {});

  // A login of podman on this machine adds more flags.
  assertEquals(flags.filter((flag) => flag.startsWith("--allow-env=")), [
    "--allow-env=REGISTRY_AUTH_FILE,DOCKER_AUTH_CONFIG,DOCKER_CONFIG,XDG_RUNTIME_DIR,XDG_CONFIG_HOME,HOME,USERPROFILE",
  ]);
});

const PROXY = { registry: "example.com", prefix: undefined, plainHttp: undefined };

Deno.test("permissionFlags() grants the certificates of commands that reach a registry", async () => {
  const reads = async (command: string, options: PermissionOptions = {}) => {
    const flags = await permissionFlags(command, ["example.com/a"], options);
    return flags.some((flag) => /^--allow-read=.*\/etc\/docker\/certs\.d/.test(flag));
  };

  for (const command of ["pull", "tags", "push", "login", "doctor"] as const) {
    assertEquals([command, await reads(command)], [command, true]);
  }
  assertEquals(await reads("serve", { proxy: PROXY }), true);
  assertEquals(await reads("fsck", { repair: true }), true);
  assertEquals(await reads("pull", { policy: "Never" }), false);
  for (const command of ["images", "logout", "serve", "rm"] as const) {
    assertEquals([command, await reads(command)], [command, false]);
  }
});

Deno.test.each([
  // A list in a flag cannot contain a comma.
  { store: "/srv/a,b", flags: ["--allow-read", "--allow-sys=uid"] },
  // Deno protects these paths even if they are listed.
  { store: "/dev/shm/oci", flags: ["--allow-all"] },
])("permissionFlags() grants more if no flag can name $store", async ({ store, flags }) => {
  assertEquals(await permissionFlags("images", [], { store }), flags);
});

Deno.test("permissionFlags() rejects an unknown command", async () => {
  await assertRejects(
    () => permissionFlags("fly", [], {}),
    RangeError,
    "must be one of artifact, bundle, cat",
  );
});

linuxTest("permissionFlags() names only programs that are installed", async () => {
  for (const command of ["run", "bundle", "unbundle", "prune", "doctor"]) {
    const flags = await flagsOf(command);

    const names = flags.find((flag) => flag.startsWith("--allow-run="))?.split("=")[1]?.split(",");
    const missing = names?.filter((name) => findProgram(name) === undefined) ?? [];
    assertEquals({ command, missing }, { command, missing: [] });
  }
});

linuxTest("permissionFlags() lets only a run with mapped IDs start unshare", async () => {
  const uidMap = [{ containerId: 0, hostId: 1000, size: 1 }];
  const starts = (flags: readonly string[]) => flags.some((flag) => flag.includes("unshare"));
  const isInstalled = findProgram("unshare") !== undefined;

  assertEquals(starts(await flagsOf("run")), false);
  assertEquals(starts(await flagsOf("run", [], { uidMap })), isInstalled);
  assertEquals(starts(await flagsOf("bundle", [], { gidMap: uidMap })), isInstalled);
});

linuxTest("permissionFlags() also grants what symlinks in a path lead to", async () => {
  await using dir = await makeTempDir();
  const root = await Deno.realPath(dir.path);
  await Deno.mkdir(`${root}/real`);
  await Deno.symlink("real", `${root}/link`);
  await Deno.symlink("/dev", `${root}/devices`);

  const flags = await permissionFlags("images", [], { store: `${root}/link/new/store` });
  const guarded = await permissionFlags("images", [], { store: `${root}/devices/store` });

  assertEquals(flags, [
    `--allow-read=${root}/link/new/store,${root}/real/new/store`,
    "--allow-sys=uid",
  ]);
  assertEquals(guarded, ["--allow-all"]);
});
