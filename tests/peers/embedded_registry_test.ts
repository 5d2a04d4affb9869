import { assertEquals } from "@std/assert";
import { basicAuthentication, parseHtpasswd, serveRegistry } from "../../registry/mod.ts";
import { buildImage, buildIndex, MemoryContent } from "../_support/image.ts";
import { makeCertificates, peerTest, runPeer } from "../_support/peers.ts";
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
