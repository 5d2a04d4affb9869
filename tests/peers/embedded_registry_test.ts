import { assertEquals } from "@std/assert";
import {
  basicAuthentication,
  MemoryRegistryContent,
  parseHtpasswd,
  type RegistryServer,
  RemoteClient,
  serveRegistry,
} from "../../registry/mod.ts";
import { ContentStore, ProxyRegistryContent, serveStore } from "../../store/mod.ts";
import { buildImage, buildIndex, type Built, MemoryContent } from "../_support/image.ts";
import { dockerRegistry, makeCertificates, peerTest, runPeer } from "../_support/peers.ts";
import { file, noise, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

const layers = [tar(file("data", noise(500_000))), tar(file("hello", "hello\n"))];
const image = buildImage({ layers, config: { Cmd: ["/hello"] } });
const docker = buildImage({ layers, mediaTypes: "docker" });
const zstd = buildImage({ layers, compression: "zstd" });
const index = buildIndex([image, buildImage({ layers, platform: "linux/arm64/v8" })]);
const content = new MemoryContent().add("team/app", "oci", image).add("team/app", "docker", docker)
  .add("team/app", "zstd", zstd).add("team/app", "index", index);

peerTest({ name: "serveRegistry() serves skopeo, digests kept", needs: ["skopeo"] }, async () => {
  await using temp = await makeTempDir();
  await using server = await serveRegistry(content);
  const options = { env: { HOME: temp.path } };
  const source = `docker://${server.host}/team/app`;

  const tags = await runPeer("skopeo", ["list-tags", "--tls-verify=false", source], options);
  assertEquals(JSON.parse(tags.stdout).Tags, ["docker", "index", "oci", "zstd"]);

  for (const [tag, built] of Object.entries({ oci: image, docker, zstd, index })) {
    await runPeer("skopeo", [
      ...["copy", "--quiet", "--all", "--insecure-policy", "--preserve-digests"],
      ...["--src-tls-verify=false", `${source}:${tag}`, `dir:${temp.join(tag)}`],
    ], options);

    assertEquals(await Deno.readFile(temp.join(tag, "manifest.json")), built.bytes);
  }
});

peerTest({
  name: "serveRegistry() serves skopeo over TLS, with a password",
  needs: ["skopeo", "htpasswd"],
}, async () => {
  await using temp = await makeTempDir();
  const { ca, cert, key } = await makeCertificates(temp.path);
  const htpasswd = await runPeer("htpasswd", ["-nbB", "ann", "pw"]);
  await Deno.mkdir(temp.join("certs"));
  await Deno.copyFile(ca, temp.join("certs", "ca.crt"));
  await using server = await serveRegistry(content, {
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(key),
    authenticate: basicAuthentication(parseHtpasswd(htpasswd.stdout)),
  });
  const inspect = (...args: string[]) =>
    runPeer("skopeo", [
      ...["inspect", "--raw", `--cert-dir=${temp.join("certs")}`],
      ...args,
      `docker://${server.host}/team/app:index`,
    ], { env: { HOME: temp.path } });

  const { stdoutBytes } = await inspect("--creds=ann:pw");
  const refused = await inspect("--creds=ann:no").catch((error: Error) => error.message);

  assertEquals(stdoutBytes, index.bytes);
  assertEquals(String(refused).includes("unauthorized"), true, String(refused));
});

peerTest({
  name: "serveRegistry() serves podman",
  needs: ["podman"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await using server = await serveRegistry(content);
  const store = [
    "--root",
    temp.join("root"),
    "--runroot",
    temp.join("run"),
    "--storage-driver=vfs",
  ];
  const options = { env: { HOME: temp.path } };
  const name = `${server.host}/team/app:index`;

  await runPeer("podman", [...store, "pull", "--quiet", "--tls-verify=false", name], options);
  const { stdout } = await runPeer("podman", [
    ...[...store, "image", "inspect", "--format={{.Digest}}", name],
  ], options);

  assertEquals(stdout.trim(), index.descriptor.digest);
});

/** A store that other tools push to. */
async function storeRegistry(directory: string): Promise<RegistryServer> {
  return await serveStore(await ContentStore.open(directory));
}

async function digestAt(server: RegistryServer, name: string): Promise<string | null> {
  const { headers } = await fetch(`${server.url}/v2/${name}`, { method: "HEAD" });
  return headers.get("docker-content-digest");
}

peerTest({
  name: "serveStore() stores what skopeo pushes and serves it, digests kept",
  needs: ["skopeo"],
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await using origin = await serveRegistry(content);
  await using server = await storeRegistry(temp.join("store"));
  const options = { env: { HOME: temp.path } };
  const copy = (from: string, to: string) =>
    runPeer("skopeo", [
      ...["copy", "--quiet", "--all", "--insecure-policy", "--preserve-digests"],
      ...["--src-tls-verify=false", "--dest-tls-verify=false", from, to],
    ], options);

  for (const [tag, built] of Object.entries({ oci: image, docker, zstd, index })) {
    const pushed = `docker://${server.host}/team/app:${tag}`;
    await copy(`docker://${origin.host}/team/app:${tag}`, pushed);
    await copy(pushed, `dir:${temp.join(tag)}`);

    assertEquals(await digestAt(server, `team/app/manifests/${tag}`), built.descriptor.digest);
    assertEquals(await Deno.readFile(temp.join(tag, "manifest.json")), built.bytes);
  }
  const url = `docker://${server.host}/team/app:oci`;
  await runPeer("skopeo", ["delete", "--tls-verify=false", url], options);

  assertEquals(await digestAt(server, "team/app/manifests/oci"), null);
});

peerTest({
  name: "serveStore() stores what podman pushes over TLS with a password",
  needs: ["podman", "htpasswd"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  const { ca, cert, key } = await makeCertificates(temp.path);
  const htpasswd = await runPeer("htpasswd", ["-nbB", "ann", "pw"]);
  await Deno.mkdir(temp.join("certs"));
  await Deno.copyFile(ca, temp.join("certs", "ca.crt"));
  await using origin = await serveRegistry(content);
  await using server = await serveRegistry(new MemoryRegistryContent(), {
    cert: await Deno.readTextFile(cert),
    key: await Deno.readTextFile(key),
    authenticate: basicAuthentication(parseHtpasswd(htpasswd.stdout)),
  });
  const podman = (...args: string[]) =>
    runPeer("podman", [
      ...["--root", temp.join("root"), "--runroot", temp.join("run"), "--storage-driver=vfs"],
      ...args,
    ], { env: { HOME: temp.path } });
  const access = [`--cert-dir=${temp.join("certs")}`, "--creds=ann:pw", "--quiet"];
  const from = `${origin.host}/team/app:index`;
  const to = `${server.host}/pushed/app:1`;

  await podman("pull", "--quiet", "--tls-verify=false", from);
  await podman("push", ...access, from, to);
  await podman("rmi", "--all", "--force");
  await podman("pull", ...access, to);
  const { stdout } = await podman("image", "inspect", "--format={{.Id}}", to);

  assertEquals(stdout.trim(), image.config.descriptor.digest.slice("sha256:".length));
});

peerTest({
  name: "serveStore() stores the index that buildah pushes",
  needs: ["buildah", "skopeo"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await using origin = await serveRegistry(content);
  await using server = await storeRegistry(temp.join("store"));
  const options = { env: { HOME: temp.path } };
  const buildah = (...args: string[]) =>
    runPeer("buildah", [
      ...["--root", temp.join("root"), "--runroot", temp.join("run"), "--storage-driver=vfs"],
      ...args,
    ], options);

  await buildah("manifest", "create", "list");
  await buildah(
    ...["manifest", "add", "--all", "--tls-verify=false", "list"],
    `docker://${origin.host}/team/app:index`,
  );
  const to = `docker://${server.host}/team/list:1`;
  await buildah("manifest", "push", "--all", "--tls-verify=false", "list", to);
  const raw = await runPeer("skopeo", ["inspect", "--raw", "--tls-verify=false", to], options);
  const { manifests } = JSON.parse(raw.stdout);

  assertEquals(manifests.map((item: { digest: string }) => item.digest), listed(index));
  for (const digest of listed(index)) {
    assertEquals(await digestAt(server, `team/list/manifests/${digest}`), digest);
  }
});

/** The digests that an index lists. */
function listed({ bytes }: Built): readonly string[] {
  return JSON.parse(new TextDecoder().decode(bytes)).manifests
    .map((item: { digest: string }) => item.digest);
}

peerTest({
  name: "ProxyRegistryContent passes on docker-registry to skopeo, digests kept",
  needs: ["docker-registry", "skopeo"],
}, async () => {
  await using temp = await makeTempDir({ large: true });
  await using origin = await serveRegistry(content);
  await using upstream = await dockerRegistry();
  const options = { env: { HOME: temp.path } };
  const copy = (from: string, to: string) =>
    runPeer("skopeo", [
      ...["copy", "--quiet", "--all", "--insecure-policy", "--preserve-digests"],
      ...["--src-tls-verify=false", "--dest-tls-verify=false", from, to],
    ], options);
  await copy(`docker://${origin.host}/team/app:index`, `docker://${upstream.host}/team/app:1`);
  const store = await ContentStore.open(temp.join("store"));
  using client = new RemoteClient({ credentials: "none" });
  const proxied = new ProxyRegistryContent(store, client, { registry: upstream.host });
  await using proxy = await serveRegistry(proxied);

  await copy(`docker://${proxy.host}/team/app:1`, `dir:${temp.join("copy")}`);

  assertEquals(await Deno.readFile(temp.join("copy", "manifest.json")), index.bytes);
  const named = await store.resolve(`${upstream.host}/team/app:1`);
  assertEquals(named?.digest, index.descriptor.digest);
});
