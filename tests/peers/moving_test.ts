import { assert, assertEquals } from "@std/assert";
import { parseReference } from "../../registry/mod.ts";
import { digestOf } from "../../spec/mod.ts";
import { noise } from "../_support/bytes.ts";
import {
  blobOf,
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  nestedIndex,
} from "../_support/image.ts";
import { ociSession } from "../_support/oci_session.ts";
import { type DockerRegistry, dockerRegistry, peerTest, runPeer } from "../_support/peers.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { pushBuilt } from "../cache/moving/_pushed.ts";
import { readAll, testClient } from "../registry/_client.ts";

const runOci = ociSession();

const BASE = tar(file("etc/base", "shared by all"));
const AMD64 = buildImage({ layers: [BASE, tar(file("bin", "amd64"))] });
const ARM64 = buildImage({ layers: [BASE, tar(file("bin", "arm64"))], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);

async function digestIn({ host }: DockerRegistry, name: string): Promise<string> {
  using client = testClient();
  return (await client.resolve(parseReference(`${host}/${name}`))).digest;
}

/** Runs `oci` with a separate store, and fails with its error. */
async function oci(store: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runOci(args, { env: { OCI_STORE: store } });
  assertEquals(code, 0, `oci ${args.join(" ")}: ${stderr}`);
  return stdout;
}

const KINDS: readonly { readonly kind: string; readonly built: Built }[] = [
  { kind: "an OCI image", built: AMD64 },
  { kind: "a docker image", built: buildImage({ layers: [BASE], mediaTypes: "docker" }) },
  { kind: "an image with zstd", built: buildImage({ layers: [BASE], compression: "zstd" }) },
  { kind: "an index", built: INDEX },
  {
    kind: "a docker manifest list",
    built: buildIndex([buildImage({ layers: [BASE], mediaTypes: "docker" })], {
      mediaTypes: "docker",
    }),
  },
  { kind: "an artifact", built: buildArtifact({ artifactType: "application/x.test" }) },
];
for (const { kind, built } of KINDS) {
  peerTest({
    name: `${kind} keeps its digest: skopeo, oci copy, skopeo`,
    needs: ["docker-registry", "skopeo"],
  }, async () => {
    await using source = await dockerRegistry();
    await using target = await dockerRegistry();
    await using dir = await makeTempDir();
    await pushBuilt(source, "built:1", built);
    const plain = ["--all", "--src-tls-verify=false"];
    const from = `docker://${source.host}/app:1`;
    await runPeer("skopeo", [
      ...["copy", ...plain, "--dest-tls-verify=false", `docker://${source.host}/built:1`, from],
    ]);

    const printed = await oci(
      ...[dir.path, "copy", `${source.host}/app:1`, `${target.host}/copy:1`] as const,
    );
    await runPeer("skopeo", [
      ...["copy", ...plain, `docker://${target.host}/copy:1`, `oci:${dir.join("layout")}:v1`],
    ]);

    assertEquals(printed, `${target.host}/copy:1@${built.descriptor.digest}\n`);
    assertEquals(await digestIn(target, "copy:1"), built.descriptor.digest);
  });
}

peerTest({
  name: "a nested index keeps its digest from one docker-registry to another",
  needs: ["docker-registry"],
}, async () => {
  await using source = await dockerRegistry();
  await using target = await dockerRegistry();
  await using dir = await makeTempDir();
  const nested = nestedIndex(2, INDEX);
  await pushBuilt(source, "app:1", nested);

  await oci(dir.path, "copy", `${source.host}/app:1`, `${target.host}/copy:1`);

  assertEquals(await digestIn(target, "copy:1"), nested.descriptor.digest);
});

peerTest({
  name: "a blob with sha512 passes through docker-registry, which names it by sha256",
  needs: ["docker-registry"],
}, async () => {
  await using registry = await dockerRegistry();
  using client = testClient();
  const repository = parseReference(`${registry.host}/blobs`);
  const { descriptor, bytes } = blobOf("application/x.test", noise(3_000_000), "sha512");

  await client.pushBlob(repository, descriptor, ({ offset = 0 } = {}) => {
    return Promise.resolve(new Blob([bytes.subarray(offset)]).stream());
  });

  assertEquals(await readAll(await client.blob(repository, descriptor)), bytes);
});

peerTest({
  name: "oci pull and oci push keep a whole index that skopeo reads",
  needs: ["docker-registry", "skopeo"],
}, async () => {
  await using registry = await dockerRegistry();
  await using dir = await makeTempDir();
  await pushBuilt(registry, "app:1", INDEX);

  await oci(dir.join("store"), "pull", "--all-platforms", `${registry.host}/app:1`);
  await oci(dir.join("store"), "push", `${registry.host}/app:1`, `${registry.host}/pushed:1`);
  const { stdout } = await runPeer("skopeo", [
    ...["inspect", "--raw", "--tls-verify=false", `docker://${registry.host}/pushed:1`],
  ]);

  assertEquals(digestOf(new TextEncoder().encode(stdout)), INDEX.descriptor.digest);
});

peerTest({
  name: "podman pulls what oci push has pushed, and oci pull what podman has",
  needs: ["docker-registry", "podman"],
  root: true,
}, async () => {
  await using registry = await dockerRegistry();
  await using dir = await makeTempDir({ large: true });
  const podman = async (...args: readonly string[]) => {
    const place = ["--root", dir.join("root"), "--runroot", dir.join("run")];
    return (await runPeer("podman", [
      ...[...place, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", ...args],
    ])).stdout.trim();
  };
  await pushBuilt(registry, "app:1", AMD64);
  const store = dir.join("store");

  await oci(store, "pull", "--platform", "linux/amd64", `${registry.host}/app:1`);
  await oci(store, "push", `${registry.host}/app:1`, `${registry.host}/ours:1`);
  const id = await podman("pull", "-q", "--tls-verify=false", `${registry.host}/ours:1`);
  const theirs = `${registry.host}/theirs:1`;
  await podman("push", "-q", "--tls-verify=false", id, theirs);
  await oci(store, "pull", "--platform", "linux/amd64", theirs);
  await oci(store, "push", theirs, `${registry.host}/again:1`);

  assertEquals(`sha256:${id}`, AMD64.config.descriptor.digest);
  assertEquals(await digestIn(registry, "theirs:1"), await digestIn(registry, "again:1"));
});

peerTest({
  name: "oci copy mounts within a docker-registry, and sends no blob that is there",
  needs: ["docker-registry"],
}, async () => {
  await using registry = await dockerRegistry();
  await using dir = await makeTempDir();
  await pushBuilt(registry, "app:1", AMD64);
  const copy = async (target: string) => {
    const { stderr } = await runOci(
      ["copy", "--debug", "-q", `${registry.host}/app:1`, `${registry.host}/${target}`],
      { env: { OCI_STORE: dir.path } },
    );
    return [
      ...stderr.matchAll(/debug: (\w+) http:[^ ]*\/v2\/[^ ]*?\/(blobs|manifests)\/[^ ]* (\d+)/g),
    ]
      .map(([, method, kind, status]) => `${method} ${kind} ${status}`);
  };

  const first = await copy("mounted:1");
  const second = await copy("mounted:1");

  assertEquals(first.filter((line) => line === "POST blobs 201").length, 3);
  assertEquals(first.filter((line) => /^(GET|PATCH) blobs/.test(line)), []);
  assertEquals(second, ["HEAD manifests 200", "HEAD manifests 200"]);
});

peerTest({
  name: "oci push sends a large layer to a docker-registry, with a password and TLS",
  needs: ["docker-registry", "htpasswd", "openssl"],
}, async () => {
  const auth = { username: "me", password: "secret" };
  await using registry = await dockerRegistry({ auth, tls: true });
  await using source = await dockerRegistry();
  await using dir = await makeTempDir();
  const image = buildImage({
    layers: [{ tar: tar(file("large", noise(24 * 1024 * 1024))), compression: "none" }],
  });
  await pushBuilt(source, "app:1", image);
  const { certificates } = registry;
  assert(certificates !== undefined);

  const printed = await oci(
    ...[dir.path, "copy", "--ca", certificates.ca, "--user", "me:secret"] as const,
    `${source.host}/app:1`,
    `${registry.host}/app:1`,
  );

  assertEquals(printed, `${registry.host}/app:1@${image.descriptor.digest}\n`);
});
