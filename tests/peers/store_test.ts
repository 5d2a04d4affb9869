import { assertEquals } from "@std/assert";
import { pull } from "../../cache/mod.ts";
import { serveRegistry } from "../../registry/mod.ts";
import { ContentStore, StoreRegistryContent } from "../../store/mod.ts";
import { buildImage, buildIndex } from "../_support/image.ts";
import { peerTest, runPeer } from "../_support/peers.ts";
import { dir, file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";

const IMAGE = buildImage({ layers: [tar(dir("etc"), file("etc/motd", "hello"))] });
const INDEX = buildIndex([IMAGE]);
const NAMES = [
  "docker.io/library/multi:1",
  "localhost:5000/a/b:1.0",
  `localhost:5000/a/b@${INDEX.descriptor.digest}`,
  `localhost:5000/a/b:1.0@${INDEX.descriptor.digest}`,
];

peerTest({
  name: "skopeo and umoci read every form of reference in a store",
  needs: ["skopeo", "umoci"],
}, async () => {
  await using directory = await makeTempDir();
  await fill(directory.path);

  const { stdout } = await runPeer("umoci", ["ls", "--layout", directory.path]);
  const digests = await Promise.all(NAMES.map((name) => skopeoDigest(directory.path, name)));

  assertEquals(stdout.trim().split("\n").sort(), NAMES.toSorted());
  assertEquals(digests, NAMES.map(() => INDEX.descriptor.digest));
});

peerTest(
  { name: "skopeo adds to a store, and nothing of it is lost", needs: ["skopeo"] },
  async () => {
    await using directory = await makeTempDir();
    const store = await fill(directory.path);
    const layout = `oci:${directory.path}`;

    await runPeer("skopeo", ["copy", "--quiet", `${layout}:${NAMES[0]}`, `${layout}:copied`]);
    await store.tag("example.com/a:1", INDEX.descriptor);

    const found = (await store.references()).map(({ name }) => name);
    assertEquals(found, [...NAMES, "copied", "example.com/a:1"]);
    assertEquals((await store.resolve("copied"))?.digest, IMAGE.descriptor.digest);
  },
);

peerTest({
  name: "skopeo copies an image out of a store that is served, and pull() takes it from there",
  needs: ["skopeo"],
}, async () => {
  await using directory = await makeTempDir();
  const store = await fill(directory.join("served"));
  await using server = await serveRegistry(new StoreRegistryContent(store));
  const copy = directory.join("copy");

  await runPeer("skopeo", [
    ...["copy", "--quiet", "--all", "--src-tls-verify=false"],
    `docker://${server.host}/library/multi:1`,
    `oci:${copy}:v1`,
  ]);
  const image = await pull(`oci:${copy}:v1`, {
    store: directory.join("store"),
    platform: "linux/amd64",
  });

  assertEquals(image.digest, INDEX.descriptor.digest);
  assertEquals(image.manifest.bytes, IMAGE.bytes);
});

async function fill(path: string): Promise<ContentStore> {
  const store = await ContentStore.open(path);
  for (const { descriptor, bytes } of INDEX.blobs.values()) await store.putBytes(descriptor, bytes);
  for (const name of NAMES) await store.tag(name, INDEX.descriptor);
  return store;
}

async function skopeoDigest(store: string, name: string): Promise<string> {
  const { stdout } = await runPeer("skopeo", [
    ...["inspect", "--format={{.Digest}}"],
    `oci:${store}:${name}`,
  ]);
  return stdout.trim();
}
