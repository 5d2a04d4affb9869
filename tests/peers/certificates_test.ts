import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { serveRegistry } from "../../registry/mod.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { ociSession } from "../_support/oci_session.ts";
import { type DockerRegistry, dockerRegistry, peerTest } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

const runOci = ociSession();

const NEEDS = ["docker-registry", "skopeo"];
const IMAGE = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
const PODMAN = ".config/containers/certs.d";
const DOCKER = ".docker/certs.d";

/** Names of files in the directory of a registry, and the certificates in them. */
type Files = Readonly<Record<string, "ca" | "clientCert" | "clientKey" | "cert">>;

const ALL: Files = { "ca.crt": "ca", "me.cert": "clientCert", "me.key": "clientKey" };

/** A home directory with certificates for a registry. */
async function homeOf(
  { host, certificates }: DockerRegistry,
  directories: Readonly<Record<string, Files>>,
) {
  assert(certificates !== undefined);
  const home = await makeTempDir();
  for (const [directory, files] of Object.entries(directories)) {
    await Deno.mkdir(home.join(directory, host), { recursive: true });
    for (const [name, kind] of Object.entries(files)) {
      await Deno.copyFile(certificates[kind], home.join(directory, host, name));
    }
  }
  return home;
}

/** Asks skopeo and oci for the tags of a repository, and returns whether they may. */
async function ask(
  registry: DockerRegistry,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly skopeo: boolean; readonly oci: boolean }> {
  const name = `${registry.host}/app`;
  const own = await runOci(["tags", "--retries", "0", name], { env });
  const other = await run("skopeo", ["list-tags", `docker://${name}`], {
    env: { XDG_RUNTIME_DIR: "/proc/none", ...env },
  });
  return { skopeo: other.code === 0, oci: own.code === 0 };
}

peerTest({
  name: "oci uses the certificates in certs.d for each command that reaches a registry",
  needs: NEEDS,
}, async () => {
  await using registry = await dockerRegistry({ clientCertificate: true });
  await using source = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  await using home = await homeOf(registry, { [DOCKER]: ALL });
  const env = { HOME: home.path, OCI_STORE: home.join("store") };
  const reference = `${registry.host}/app:1`;
  const digest = IMAGE.descriptor.digest;
  const call = async (...args: string[]) => {
    const { code, stdout, stderr } = await runOci(args, { env });
    assertEquals({ args, code, stderr: code === 0 ? "" : stderr }, { args, code: 0, stderr: "" });
    return stdout;
  };

  await call("copy", "-q", `${source.host}/app:1`, reference);
  assertEquals(await call("digest", reference), `${digest}\n`);
  assertStringIncludes(await call("pull", "-q", "--platform", "linux/amd64", reference), digest);
  assertEquals(await call("tags", `${registry.host}/app`), "1\n");
  await call("login", "-u", "me:pw", registry.host);

  const mirror = ["--mirror", `mirrored.example=https://${registry.host}`];
  assertEquals(await call("digest", ...mirror, "mirrored.example/app:1"), `${digest}\n`);
  const stranger = await runOci(["digest", "--retries", "0", reference]);
  assertEquals(stranger.code, 1);
  const explicit = await runOci(
    ["digest", reference, "--client-cert", home.join(DOCKER, registry.host, "me.cert")]
      .concat("--client-key", home.join(DOCKER, registry.host, "ca.crt")),
    { env },
  );
  assertStringIncludes(explicit.stderr, "it contains no private key");
});

peerTest({
  name: "oci uses the same files of certs.d as skopeo",
  needs: NEEDS,
}, async (t) => {
  await using registry = await dockerRegistry({ clientCertificate: true });
  await using source = await serveRegistry(new MemoryContent().add("app", "1", IMAGE));
  await using full = await homeOf(registry, { [PODMAN]: ALL });
  const pushed = await runOci(["copy", `${source.host}/app:1`, `${registry.host}/app:1`], {
    env: { HOME: full.path },
  });
  assertEquals(pushed.code, 0, pushed.stderr);
  const cases: readonly {
    readonly name: string;
    readonly directories: Readonly<Record<string, Files>>;
    readonly works: boolean;
    readonly env?: Readonly<Record<string, string>>;
  }[] = [
    { name: "authority and client certificate", directories: { [PODMAN]: ALL }, works: true },
    {
      name: "another XDG_CONFIG_HOME",
      directories: { [PODMAN]: ALL },
      env: { XDG_CONFIG_HOME: "/proc/none" },
      works: true,
    },
    {
      name: "no authority",
      directories: { [PODMAN]: { "me.cert": "clientCert", "me.key": "clientKey" } },
      works: false,
    },
    { name: "no client certificate", directories: { [PODMAN]: { "ca.crt": "ca" } }, works: false },
    {
      name: "another extension",
      directories: { [PODMAN]: { ...ALL, "ca.pem": "ca", "ca.crt": "clientCert" } },
      works: false,
    },
    {
      name: "a client certificate without a key",
      directories: { [PODMAN]: { "ca.crt": "ca", "me.cert": "clientCert" } },
      works: false,
    },
    {
      name: "a key of another name",
      directories: {
        [PODMAN]: { "ca.crt": "ca", "me.cert": "clientCert", "client.key": "clientKey" },
      },
      works: false,
    },
    { name: "nothing", directories: { [PODMAN]: {} }, works: false },
  ];
  for (const { name, directories, works, env } of cases) {
    await t.step(name, async () => {
      await using home = await homeOf(registry, directories);

      const result = await ask(registry, { HOME: home.path, ...env });

      assertEquals(result, { skopeo: works, oci: works });
    });
  }
  await t.step("an empty directory that comes first", async () => {
    await using home = await homeOf(registry, { [PODMAN]: {}, [DOCKER]: ALL });

    const { oci } = await ask(registry, { HOME: home.path });

    assertEquals(oci, false);
  });
});
