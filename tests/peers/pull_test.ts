import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ociSession } from "../_support/oci_session.ts";
import {
  DEBIAN_IMAGE_NEEDS,
  debianImage,
  type DockerRegistry,
  dockerRegistry,
  type DockerRegistryOptions,
  peerTest,
  pushVariants,
  runPeer,
  VARIANTS,
} from "../_support/peers.ts";
import { makeTempDir, type TempDir } from "../_support/temp.ts";

const runOci = ociSession();

const NEEDS = [
  ...["docker-registry", "skopeo", "umoci", "htpasswd"],
  ...DEBIAN_IMAGE_NEEDS,
];

/** Kinds of registries: open, with a password, with a private certificate authority. */
const REGISTRIES: readonly { readonly how: string; readonly options: DockerRegistryOptions }[] = [
  { how: "without anything", options: {} },
  { how: "with basic auth", options: { auth: { username: "ann", password: "s3cret" } } },
  {
    how: "with basic auth and TLS of a private authority",
    options: { auth: { username: "ann", password: "s3cret" }, tls: true },
  },
  { how: "with client certificates", options: { clientCertificate: true } },
];

function ociFlags({ certificates }: DockerRegistry, options: DockerRegistryOptions): string[] {
  const { auth, clientCertificate = false } = options;
  return [
    ...auth ? [`--user=${auth.username}:${auth.password}`] : [],
    ...certificates ? [`--ca=${certificates.ca}`] : [],
    ...clientCertificate && certificates
      ? [`--client-cert=${certificates.clientCert}`, `--client-key=${certificates.clientKey}`]
      : [],
  ];
}

async function skopeoDigest(
  url: string,
  { auth }: DockerRegistryOptions = {},
): Promise<string> {
  await using home = await makeTempDir();
  const { stdout } = await runPeer("skopeo", [
    ...["inspect", "--format={{.Digest}}", "--tls-verify=false"],
    ...auth ? [`--creds=${auth.username}:${auth.password}`] : [],
    url,
  ], { env: { HOME: home.path } });
  return stdout.trim();
}

/** The data of a registry that has the image in every form. */
let pushed: TempDir | undefined;

/** Starts a registry that has the image in every form. */
async function filledRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  if (pushed === undefined) {
    await using open = await dockerRegistry();
    await pushVariants(open.host, await debianImage());
    pushed = await makeTempDir({ large: true });
    await runPeer("cp", ["-a", `${open.storage}/.`, pushed.path]);
  }
  const registry = await dockerRegistry(options);
  await runPeer("cp", ["-a", `${pushed.path}/.`, registry.storage]);
  return registry;
}

Deno.test.afterAll(async () => await pushed?.[Symbol.asyncDispose]());

for (const { how, options } of REGISTRIES) {
  peerTest({
    name: `oci pull takes a Debian image in every form from docker-registry ${how}`,
    needs: NEEDS,
    root: true,
  }, async (t) => {
    await using registry = await filledRegistry(options);
    const { clientCertificate = false } = options;
    await using store = await makeTempDir({ large: true });
    const flags = [...ociFlags(registry, options), "--store", store.path];

    for (const repository of VARIANTS) {
      await t.step(repository, async () => {
        const reference = `${registry.host}/${repository}:latest`;

        const pulled = await runOci(["pull", ...flags, reference]);

        assertEquals(pulled.code, 0, pulled.stderr);
        const digest = pulled.stdout.trim().split("@")[1] ?? "";
        if (!clientCertificate) {
          assertEquals(await skopeoDigest(`docker://${reference}`, options), digest);
        }
        // What the store holds is what skopeo finds there under the same name. Older ones, such as
        // Debian 12's, find OCI's own media types alone in a layout (containers/skopeo#2577).
        if (repository !== "debian/docker") {
          assertEquals(await skopeoDigest(`oci:${store.path}:${reference}`), digest);
        }
        const { stdout: names } = await runPeer("umoci", ["ls", "--layout", store.path]);
        assertStringIncludes(names, reference);
      });
    }
  });
}

peerTest({
  name: "oci pull needs no registry once the image is stored",
  needs: NEEDS,
  root: true,
}, async () => {
  await using store = await makeTempDir({ large: true });
  const flags = ["--store", store.path];
  let reference: string;
  let first: string;
  {
    await using registry = await filledRegistry();
    reference = `${registry.host}/debian/index:latest`;
    first = (await runOci(["pull", ...flags, reference])).stdout;
  }
  assert(first.includes("@sha256:"));

  const again = await runOci(["pull", ...flags, reference]);
  const byDigest = await runOci(["pull", ...flags, "--policy", "never", first.trim()]);
  const newer = await runOci(["pull", ...flags, "--policy", "newer", "--retries", "0", reference]);
  const always = await runOci([
    "pull",
    ...flags,
    "--policy",
    "always",
    "--retries",
    "0",
    reference,
  ]);

  assertEquals([again.code, again.stdout], [0, first]);
  assertEquals(byDigest.code, 0, byDigest.stderr);
  assertEquals([newer.code, newer.stdout], [0, first], newer.stderr);
  assertEquals(always.code, 1);
});

peerTest({
  name: "umoci unpacks an image out of the store as it stands",
  needs: NEEDS,
  root: true,
}, async () => {
  await using registry = await filledRegistry();
  await using store = await makeTempDir({ large: true });
  const reference = `${registry.host}/debian/oci:latest`;
  const { code, stderr } = await runOci(["pull", "--store", store.path, reference]);
  assertEquals(code, 0, stderr);
  await using bundle = await makeTempDir({ large: true });

  await runPeer("umoci", [
    ...["unpack", "--image", `${store.path}:${reference}`, bundle.join("bundle")],
  ]);

  const release = await Deno.readTextFile(bundle.join("bundle/rootfs/usr/lib/os-release"));
  assertStringIncludes(release, "Debian");
});
