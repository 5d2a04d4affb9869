import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { formatReference } from "../../../registry/mod.ts";
import { digestOf, OciError } from "../../../spec/mod.ts";
import {
  ArchiveError,
  ContentStore,
  loadArchive,
  readImage,
  StoreError,
  validateImage,
} from "../../../store/mod.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  nestedIndex,
  withBlobs,
} from "../../_support/image.ts";
import { mountSmallDisk, mountTest } from "../../_support/mounting.ts";
import { concat, dir, file, gzip, noise, tar, zstd } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import {
  blobEntries,
  blobPath,
  dockerArchive,
  IMAGE,
  indexEntry,
  mixedArchive,
  ociArchive,
} from "../archives/_archives.ts";
import { DOCKER, load, names } from "./_load.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };

Deno.test.each([
  { form: "plain", wrap: (bytes: Uint8Array) => new Uint8Array(bytes) },
  { form: "compressed with gzip", wrap: (bytes: Uint8Array) => gzip(bytes) },
  { form: "compressed with zstd", wrap: (bytes: Uint8Array) => zstd(bytes) },
])("loadArchive() loads an OCI archive that is $form, every byte as it is", async ({ wrap }) => {
  await using dir = await makeTempDir();

  const { store, loaded } = await load(dir, wrap(ociArchive(IMAGE, "ghcr.io/a/b:1")));

  const { digest } = IMAGE.descriptor;
  assertEquals(loaded.map(({ descriptor }) => descriptor.digest), [digest]);
  assertEquals(await names(store), ["ghcr.io/a/b:1"]);
  const image = await readImage(store, digest, PLATFORM);
  assert(image !== undefined);
  await validateImage(image);
  assertEquals(image.manifest.bytes, IMAGE.bytes);
  assertEquals(image.config.bytes, IMAGE.config.bytes);
  assertEquals(await Array.fromAsync(Deno.readDir(dir.join("store/ingest"))), []);
});

Deno.test("loadArchive() reads an archive from a stream", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));
  const archive = ociArchive(IMAGE, "v1");
  // Use chunks that are shorter than a header.
  const chunks = Array.from({ length: Math.ceil(archive.length / 100) }, (_, i) => {
    return archive.subarray(i * 100, i * 100 + 100);
  });

  await loadArchive(store, "stdin", { input: ReadableStream.from(chunks) });

  assertEquals(await names(store), ["localhost/stdin:v1"]);
});

Deno.test.each([
  { name: "ghcr.io/a/b:1", reference: "ghcr.io/a/b:1" },
  { name: "docker.io/library/alpine:3.20", reference: "docker.io/library/alpine:3.20" },
  { name: "v1", reference: "localhost/my-app:v1" },
  { name: "alpine:3.20", reference: "localhost/alpine:3.20" },
  // An image ID, which is no name.
  { name: `sha256:${"4d".repeat(32)}`, reference: undefined },
  { name: undefined, reference: undefined },
])("loadArchive() calls $name of an OCI archive $reference", async ({ name, reference }) => {
  await using dir = await makeTempDir();

  const { store, loaded } = await load(dir, ociArchive(IMAGE, name), "My App.tar.gz");

  assertEquals(loaded.map(({ reference }) => reference && formatReference(reference)), [
    reference,
  ]);
  assertEquals(await names(store), reference === undefined ? [] : [reference]);
  assertEquals((await store.descriptors()).map(({ digest }) => digest), [IMAGE.descriptor.digest]);
});

Deno.test("loadArchive() loads all images of a docker archive, and keeps their image IDs", async () => {
  await using dir = await makeTempDir();
  const other = buildImage({
    layers: [DOCKER.layers[0]?.tar ?? new Uint8Array(), tar(file("c", "c"))],
    mediaTypes: "docker",
    compression: "none",
  });

  const { store, loaded } = await load(
    dir,
    dockerArchive(
      { image: DOCKER, tags: ["alpine:3.20", "ghcr.io/a/b:1"] },
      { image: other, tags: null },
    ),
  );

  assertEquals(await names(store), ["docker.io/library/alpine:3.20", "ghcr.io/a/b:1"]);
  assertEquals(loaded.length, 3);
  for (const [i, built] of [DOCKER, DOCKER, other].entries()) {
    const digest = loaded[i]?.descriptor.digest;
    const image = digest && await readImage(store, digest, PLATFORM);
    assert(image !== undefined);
    await validateImage(image);
    assertEquals(image.config.bytes, built.config.bytes);
    // A manifest of docker's schema 2 has no optional parts, so the result is the same.
    assertEquals(image.manifest.value.layers, built.layers.map(({ descriptor }) => descriptor));
  }
});

Deno.test("loadArchive() loads compressed layers of a docker archive", async () => {
  await using dir = await makeTempDir();
  const layers = IMAGE.layers.map(({ tar }, i) => i === 0 ? gzip(tar) : zstd(tar));
  const manifest = [{ Config: "config.json", RepoTags: ["a:1"], Layers: ["0.tgz", "1.tzst"] }];

  const { store, loaded } = await load(
    dir,
    tar(
      file("manifest.json", JSON.stringify(manifest)),
      file("config.json", IMAGE.config.bytes),
      file("./0.tgz", layers[0]),
      file("1.tzst", layers[1]),
    ),
  );

  const image = await readImage(store, loaded[0]?.descriptor.digest ?? "sha256:", PLATFORM);
  assert(image !== undefined);
  await validateImage(image);
  assertEquals(image.layers.map(({ digest }) => digest), layers.map((layer) => digestOf(layer)));
});

Deno.test("loadArchive() prefers the layout in a docker archive if it is complete", async () => {
  await using dir = await makeTempDir();
  const [manifest, ...blobs] = blobEntries(IMAGE).toReversed();
  assert(manifest !== undefined);

  const whole = await load(dir, mixedArchive(IMAGE, "docker.io/library/a:1"));
  const part = await load(dir, mixedArchive(IMAGE, "docker.io/library/b:1", blobs), "part.tar");

  assertEquals(whole.loaded[0]?.descriptor.digest, IMAGE.descriptor.digest);
  assertEquals(
    part.loaded[0]?.descriptor.mediaType,
    "application/vnd.docker.distribution.manifest.v2+json",
  );
  assertEquals(await names(part.store), ["docker.io/library/a:1", "docker.io/library/b:1"]);
});

Deno.test.each([
  { indexed: "", tags: ["a:1", "h.io/b:2"], result: ["docker.io/library/a:1", "h.io/b:2"] },
  { indexed: "h.io/b:2", tags: ["a:1", "h.io/b:2"], result: ["h.io/b:2", "docker.io/library/a:1"] },
  { indexed: "h.io/b:2", tags: [], result: ["h.io/b:2"] },
  { indexed: "a:1", tags: ["a:1"], result: ["localhost/a:1"] },
])("loadArchive() finds the names $tags that docker left out of index.json", async (row) => {
  await using dir = await makeTempDir();
  const archive = mixedArchive(IMAGE, "a:1", blobEntries(IMAGE), row.indexed, row.tags);

  const { store, loaded } = await load(dir, archive);

  assertEquals(await names(store), row.result);
  for (const { descriptor } of loaded) assertEquals(descriptor.digest, IMAGE.descriptor.digest);
});

Deno.test("loadArchive() loads indexes, with the platforms in the archive, and artifacts", async () => {
  await using dir = await makeTempDir();
  const arm = buildImage({ layers: [noise(1000)], platform: "linux/arm64" });
  const index = buildIndex([IMAGE, arm]);
  const part = withBlobs(
    index,
    [...index.blobs.values()].filter(({ descriptor }) => !arm.blobs.has(descriptor.digest)),
  );
  const artifact = buildArtifact({ artifactType: "application/x-thing", content: "thing" });

  const { store, loaded } = await load(
    dir,
    tar(
      ...blobEntries(part),
      ...blobEntries(artifact),
      indexEntry([part, "h.io/index:1"], [artifact, "h.io/thing:1"]),
    ),
  );

  assertEquals(
    loaded.map(({ descriptor }) => descriptor.digest),
    [index.descriptor.digest, artifact.descriptor.digest],
  );
  assertEquals((await readImage(store, index.descriptor.digest, PLATFORM))?.indexes.length, 1);
  for (const { descriptor } of artifact.blobs.values()) assert(await store.verify(descriptor));
});

Deno.test("loadArchive() skips manifests of an index whose blobs docker left out", async () => {
  await using dir = await makeTempDir();
  const arm = buildImage({ layers: [noise(1000)], platform: "linux/arm64" });
  const index = buildIndex([arm, IMAGE]);
  const [layer] = arm.layers;
  const left = withBlobs(
    index,
    [...index.blobs.values()].filter(({ bytes }) => bytes !== layer?.bytes),
  );
  const docker = JSON.stringify([{
    Config: blobPath(IMAGE.config.descriptor),
    RepoTags: ["a:1"],
    Layers: IMAGE.layers.map(({ descriptor }) => blobPath(descriptor)),
  }]);

  const { store, loaded } = await load(
    dir,
    tar(
      ...blobEntries(left),
      indexEntry([left, "docker.io/library/a:1"]),
      file("manifest.json", docker),
    ),
  );

  assertEquals(loaded.map(({ descriptor }) => descriptor.digest), [index.descriptor.digest]);
  assert(await readImage(store, index.descriptor.digest, PLATFORM) !== undefined);
  assertEquals(await store.has(arm.descriptor), false);
  const lost = withBlobs(
    left,
    [...arm.blobs.values()].filter(({ bytes }) => bytes !== layer?.bytes),
  );
  await assertRejects(
    () => load(dir, tar(...blobEntries(lost), indexEntry([lost, "h.io/a:1"])), "lost.tar"),
    ArchiveError,
    layer?.descriptor.digest,
  );
});

Deno.test("loadArchive() reads the names in manifest.json in any case, as docker does", async () => {
  await using dir = await makeTempDir();
  const manifest = [{ config: "c.json", REPOTAGS: ["a:1"], layers: ["0.tar", "1.tar"] }];

  const { store } = await load(
    dir,
    tar(
      file("manifest.json", JSON.stringify(manifest)),
      file("c.json", DOCKER.config.bytes),
      ...DOCKER.layers.map(({ tar }, i) => file(`${i}.tar`, tar)),
    ),
  );

  assertEquals(await names(store), ["docker.io/library/a:1"]);
});

Deno.test("loadArchive() warns of a config with another digest than its name", async () => {
  await using dir = await makeTempDir();
  const warnings: string[] = [];
  const config = `${"0".repeat(64)}.json`;
  const manifest = [{ Config: config, RepoTags: ["a:1"], Layers: ["0.tar", "1.tar"] }];
  const archive = tar(
    file("manifest.json", JSON.stringify(manifest)),
    file(config, DOCKER.config.bytes),
    ...DOCKER.layers.map(({ tar }, i) => file(`${i}.tar`, tar)),
  );

  const store = await ContentStore.open(dir.join("store"));
  await Deno.writeFile(dir.join("a.tar"), archive);

  await loadArchive(store, dir.join("a.tar"), { onWarning: (text) => warnings.push(text) });

  assertEquals(await names(store), ["docker.io/library/a:1"]);
  assertEquals(warnings.length, 1);
  assertStringIncludes(
    warnings[0] ?? "",
    `its config "${config}" has the digest ${DOCKER.config.descriptor.digest}`,
  );
});

Deno.test("loadArchive() reports a missing file, and a directory", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));

  await assertRejects(() => loadArchive(store, dir.join("none")), ArchiveError, "no such file");
  await assertRejects(() => loadArchive(store, dir.path), ArchiveError, "is a directory");
});

Deno.test("loadArchive() fails with the reason of its signal", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));
  const path = dir.join("a.tar");
  await Deno.writeFile(path, gzip(ociArchive(IMAGE)));
  const reason = new Error("enough");

  const error = await assertRejects(() => {
    return loadArchive(store, path, { signal: AbortSignal.abort(reason) });
  });

  assertEquals(error, reason);
});

Deno.test("loadArchive() ignores directories in the archive", async () => {
  await using temp = await makeTempDir();

  const { loaded } = await load(
    temp,
    concat(dir("."), dir("blobs"), dir("blobs"), ociArchive(IMAGE)),
  );

  assertEquals(loaded.length, 1);
});

mountTest(
  "loadArchive() names the directory if the disk is full before a stream is complete",
  async () => {
    await using temp = await makeTempDir();
    const path = temp.join("disk");
    using _disk = mountSmallDisk(path, 1 << 20);
    const store = await ContentStore.open(path);
    const input = ReadableStream.from([tar(file("blob", noise(2 << 20)))]);

    await assertRejects(
      () => loadArchive(store, "stdin", { input }),
      OciError,
      `Cannot write "${path}/ingest": the disk is full. Free some space`,
    );
  },
);

Deno.test("loadArchive() reads indexes that list the same content many times", async () => {
  await using dir = await makeTempDir();
  const nested = nestedIndex(8, IMAGE, 40);

  const { store, loaded } = await load(dir, ociArchive(nested, "h.io/a:1"));

  assertEquals(loaded.map(({ descriptor }) => descriptor.digest), [nested.descriptor.digest]);
  assert((await Promise.all(
    [...nested.blobs.values()].map(({ descriptor }) => store.has(descriptor)),
  )).every((isThere) => isThere));
});

Deno.test("loadArchive() stores nothing if the index of the store is invalid", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.join("store"));
  await Deno.writeFile(dir.join("a.tar"), ociArchive(IMAGE, "h.io/a:1"));
  const { descriptor, bytes } = buildImage({});
  await store.putBytes(descriptor, bytes);
  await store.tag("h.io/b:1", descriptor);
  await Deno.writeTextFile(dir.join("store/index.json"), "{");

  await assertRejects(() => loadArchive(store, dir.join("a.tar")), StoreError, "index.json");

  assertEquals(await store.has(IMAGE.descriptor), false);
});
