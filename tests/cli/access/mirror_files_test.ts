import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { faultyRegistry } from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { permissionsFor } from "../../_support/oci_permissions.ts";
import { runOci, type RunOciOptions } from "../../_support/process.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { pushBuilt } from "../../cache/moving/_pushed.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const { digest: DIGEST } = IMAGE.descriptor;

/** A registry with the image as `app:1`. */
function registryWithApp() {
  return faultyRegistry(new MemoryContent().add("app", "1", IMAGE));
}

/** A home directory with the files of containerd and docker. */
async function makeHome(files: Readonly<Record<string, string>>) {
  const dir = await makeTempDir();
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(dir.join(".config", path)), { recursive: true });
    await Deno.writeTextFile(dir.join(".config", path), text);
  }
  const env = {
    HOME: dir.path,
    OCI_STORE: dir.join("store"),
    CONTAINERS_REGISTRIES_CONF: "",
    XDG_CONFIG_HOME: "",
  };
  return {
    env,
    /** Path of a file. */
    path: (name: string) => dir.join(".config", name),
    oci: (args: readonly string[], options: RunOciOptions = {}) => {
      return runOci(args, { ...options, env: { ...env, ...options.env } });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

const HOSTS = "containerd/certs.d";
const DAEMON = "docker/daemon.json";

Deno.test("oci pull fetches from a host in hosts.toml, and keeps the name of the image", async () => {
  await using mirror = registryWithApp();
  await using home = await makeHome({
    [`${HOSTS}/a.example_5000_/hosts.toml`]: `[host."${mirror.url}"]\n`,
  });

  const pulled = await home.oci(["pull", "--platform=linux/amd64", "a.example:5000/app:1"]);
  const images = await home.oci(["images", "--json"]);

  assertEquals(pulled.stdout.trim(), `a.example:5000/app:1@${DIGEST}`, pulled.stderr);
  assertStringIncludes(images.stdout, '"a.example:5000/app:1"');
  assert(mirror.seen().every((line) => line.endsWith("?ns=a.example%3A5000")));
});

Deno.test("oci digest uses the mirrors of docker's daemon.json for Docker Hub", async () => {
  await using mirror = faultyRegistry(new MemoryContent().add("library/app", "1", IMAGE));
  await using home = await makeHome({
    [DAEMON]: JSON.stringify({ "registry-mirrors": [mirror.url] }),
  });

  const { stdout, stderr } = await home.oci(["digest", "app:1"]);

  assertEquals(stdout.trim(), DIGEST, stderr);
  assertEquals(mirror.seen(), ["HEAD /v2/library/app/manifests/1"]);
});

Deno.test("oci tag tags the image of the registry, not that of a mirror", async () => {
  const old = buildImage({ layers: [tar(file("a", "old"))], platform: "linux/amd64" });
  await using mirror = faultyRegistry(new MemoryContent().add("app", "1", old));
  await using registry = writableRegistry();
  await pushBuilt(registry, "app:1", IMAGE);
  await using home = await makeHome({
    [`${HOSTS}/${registry.host}/hosts.toml`]: `[host."${mirror.url}"]\n`,
  });

  const { stdout, stderr } = await home.oci(["tag", `${registry.host}/app:1`, "2"]);

  assertEquals(stdout.trim(), DIGEST, stderr);
  assertEquals((await registry.content.resolve("app", "2"))?.digest, DIGEST);
});

Deno.test("oci doctor reports the files of containerd and docker, and their settings", async () => {
  await using home = await makeHome({
    "containers/registries.conf": '[[registry]]\nlocation = "docker.io"\n',
    [`${HOSTS}/a.example/hosts.toml`]: `
      server = "https://up.example"
      [host."https://m.example/x"]
        capabilities = ["pull"]
        skip_verify = true
        header = { authorization = "secret" }
    `,
    [`${HOSTS}/b.example/hosts.toml`]: 'server = "https://b.example"\nca = true\n',
    [`${HOSTS}/_default/hosts.toml`]: '[host."https://all.example"]\n',
    [DAEMON]: JSON.stringify({
      "registry-mirrors": ["https://hub.example"],
      "insecure-registries": ["10.0.0.0/8"],
    }),
  });

  const { stdout } = await home.oci(["doctor", "a.example/app:1"]);
  const { mirrors, endpoints } = JSON.parse(
    (await home.oci(["doctor", "--json", `a.example/app@${DIGEST}`])).stdout,
  );

  for (
    const line of [
      `ok       ${home.path(`${HOSTS}/a.example/hosts.toml`)} is read`,
      `ok       ${home.path(DAEMON)} is read`,
      "ok       a.example is pulled from https://m.example/x/v2 (not for tags, certificate not " +
      "verified), then https://up.example/v2",
      "ok       any other registry is pulled from https://all.example/v2, then the registry itself",
      "ok       10.0.0.0/8 is pulled from 10.0.0.0/8, with plain HTTP if it does not use TLS",
      `note     ${home.path(DAEMON)} is not used for docker.io: another file names it`,
      `problem  cannot use "${home.path(`${HOSTS}/b.example/hosts.toml`)}": line 2: "ca" must be`,
      "ok       1. https://up.example/v2/app",
    ]
  ) assertStringIncludes(stdout, line);
  assertEquals(stdout.includes("secret"), false);
  assertEquals(mirrors.files.length, 4);
  assertEquals(endpoints, [
    { url: "https://m.example/x/v2/app", isMirror: true },
    { url: "https://up.example/v2/app", isMirror: false },
  ]);
});

Deno.test("oci permissions grants the files and the hosts of a hosts.toml", async () => {
  await using mirror = registryWithApp();
  await using home = await makeHome({
    [`${HOSTS}/a.example/hosts.toml`]: `[host."${mirror.url}"]\nca = "/none/ca.pem"\n`,
    [`${HOSTS}/b.example/hosts.toml`]: 'server = "https://b.example"\nca = "/none/b.pem"\n',
  });
  const args = ["digest", "a.example/app:1"];

  const flags = await permissionsFor(runOci, args, { env: home.env });
  const found = await home.oci(args, { permissions: flags });

  assertEquals(found.stdout.trim(), DIGEST, found.stderr);
  const text = flags.join(" ");
  assertStringIncludes(text, `--allow-net=a.example,${mirror.host} `);
  assertStringIncludes(text, "/none/ca.pem");
  assertEquals(text.includes("/none/b.pem"), false);
});
