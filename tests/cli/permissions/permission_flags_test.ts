import { assertEquals, assertRejects } from "@std/assert";
import { permissionFlags } from "../../../cli/permissions/permission_flags.ts";
import { serveRegistry } from "../../../registry/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { ROOT, runOci } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

const STORE_FLAGS = ["--allow-read=/srv/oci", "--allow-write=/srv/oci", "--allow-sys=uid"];
const OPTIONS = { store: "/srv/oci", credentialPaths: [], certificatePaths: [] };

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
  const flags = await permissionFlags("pull", reference, OPTIONS);

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
    { command: "serve", flags: ["--allow-net=127.0.0.1:5000", ...STORE_FLAGS] },
    { command: "pull", flags: ["--allow-net", ...STORE_FLAGS] },
  ] as const,
)("permissionFlags() of $command", async ({ command, flags }) => {
  assertEquals(await permissionFlags(command, undefined, OPTIONS), [...flags]);
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
      options: { runtime: "/opt/crun", bundler: "uncompressed", variables: ["A"] },
      flags: ["--allow-env=A,PATH", "--allow-run=/opt/crun", "--allow-sys=uid,gid"],
    },
  ] as const,
)("permissionFlags() of $command with $options calls the C library", async (row) => {
  const flags = await permissionFlags(row.command, "oci:/srv/layout", {
    ...OPTIONS,
    ...row.options,
  });

  assertEquals(flags, ["--allow-read", "--allow-write", ...row.flags, "--allow-ffi"]);
});

Deno.test("permissionFlags() grants no network access with the policy Never", async () => {
  const options = { ...OPTIONS, pullPolicy: "Never", output: "out/a.tar" } as const;

  assertEquals(await permissionFlags("export", "example.com/a", options), [
    "--allow-read=/srv/oci,out",
    "--allow-write=/srv/oci,out",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() combines several references", async () => {
  const references = ["example.com/a", "oci:/srv/layout", "quay.io/b"];

  assertEquals(await permissionFlags("pull", references, OPTIONS), [
    "--allow-net=example.com,quay.io,*.quay.io",
    "--allow-read=/srv/oci,/srv/layout",
    "--allow-write=/srv/oci",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() adds the hosts of mirrors", async () => {
  const [net] = await permissionFlags("pull", "example.com/a", {
    ...OPTIONS,
    mirrors: {
      "example.com": ["https://mirror.example:8443/v2"],
      "docker.io": ["https://no.example"],
    },
  });

  assertEquals(net, "--allow-net=example.com,mirror.example:8443");
});

Deno.test("permissionFlags() recognizes each name of a registry that a client does", async () => {
  const flags = await permissionFlags("digest", "alpine", {
    mirrors: { "index.docker.io": ["https://mirror.example"] },
  });

  const net = flags.find((flag) => flag.startsWith("--allow-net="));
  assertEquals(net?.endsWith(",mirror.example"), true, net);
});

Deno.test("permissionFlags() lets a layout be read, and no network be reached", async () => {
  assertEquals(await permissionFlags("pull", "oci:/srv/layout:v1", OPTIONS), [
    "--allow-read=/srv/oci,/srv/layout",
    "--allow-write=/srv/oci",
    "--allow-sys=uid",
  ]);
});

Deno.test("permissionFlags() names the credential helpers of the registry", async () => {
  await using directory = await makeTempDir();
  const config = directory.join("config.json");
  await Deno.writeTextFile(
    config,
    JSON.stringify({
      credsStore: "desktop",
      credHelpers: { "https://ghcr.io/v1/": "gh", "quay.io": "quay", "ghcr.io/me": "gh" },
    }),
  );

  const flags = await permissionFlags("digest", "ghcr.io/me/app", {
    certificatePaths: [],
    credentialPaths: [config, directory.join("absent.json")],
  });

  assertEquals(flags.at(-1), "--allow-run=docker-credential-gh,docker-credential-desktop");
  assertEquals(flags[1], `--allow-read=${config},${directory.join("absent.json")}`);
  const mirrored = await permissionFlags("digest", "example.com/a", {
    certificatePaths: [],
    credentialPaths: [config],
    mirrors: { "example.com": ["https://quay.io/mirror"] },
  });
  assertEquals(mirrored.at(-1), "--allow-run=docker-credential-desktop,docker-credential-quay");
});

Deno.test("permissionFlags() grants the variables that locate credential files", async () => {
  const flags = await permissionFlags("digest", "example.com/a");

  // A login of podman on this machine adds more flags.
  assertEquals(flags.filter((flag) => flag.startsWith("--allow-env=")), [
    "--allow-env=REGISTRY_AUTH_FILE,DOCKER_CONFIG,XDG_RUNTIME_DIR,XDG_CONFIG_HOME,HOME,USERPROFILE",
  ]);
});

Deno.test("permissionFlags() grants the certificates of commands that reach a registry", async () => {
  const options = { ...OPTIONS, certificatePaths: ["/etc/docker/certs.d"] };
  const reads = async (
    command: string,
    more: Parameters<typeof permissionFlags>[2] = {},
  ) => {
    const flags = await permissionFlags(command, "example.com/a", { ...options, ...more });
    return flags.some((flag) => /^--allow-read=.*\/etc\/docker\/certs\.d/.test(flag));
  };

  for (const command of ["pull", "tags", "push", "login", "doctor"] as const) {
    assertEquals([command, await reads(command)], [command, true]);
  }
  assertEquals(await reads("serve", { proxy: "example.com" }), true);
  assertEquals(await reads("pull", { pullPolicy: "Never" }), false);
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
  assertEquals(await permissionFlags("images", undefined, { store }), flags);
});

Deno.test("permissionFlags() rejects an unknown command", async () => {
  await assertRejects(
    () => permissionFlags("fly"),
    RangeError,
    "must be one of artifact, bundle, cat",
  );
});

Deno.test("each command runs with its own flags and no others", async () => {
  const image = buildImage({ layers: [noise(1000)] });
  await using server = await serveRegistry(new MemoryContent().add("a/b", "1", image));
  await using home = await makeTempDir();
  const reference = `${server.host}/a/b:1`;
  const store = home.join("store");
  const credentialPaths = [
    home.join(".docker/config.json"),
    home.join(".config/containers/auth.json"),
  ];
  const run = async (command: string, ...args: readonly string[]) => {
    const options = { store, credentialPaths, modules: ROOT };
    const flags = await permissionFlags(command, args[0], options);
    const { code, stderr } = await runOci([command, ...args, "--store", store, "--quiet"], {
      permissions: flags,
      env: { HOME: home.path, DENO_NO_UPDATE_CHECK: "1" },
    });
    return [command, code, stderr];
  };

  for (
    const [command, ...args] of [
      ["pull", reference, "--platform=linux/amd64"],
      ["images"],
      ["inspect", reference, "--platform=linux/amd64"],
      ["digest", reference],
      ["tags", `${server.host}/a/b`],
      ["rm", reference],
      ["demo"],
      ["version"],
    ] as const
  ) {
    assertEquals(await run(command, ...args), [command, 0, ""]);
  }
});
