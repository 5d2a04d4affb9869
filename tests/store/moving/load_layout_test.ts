import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { formatReference } from "../../../registry/mod.ts";
import { DigestMismatchError, digestOf } from "../../../spec/mod.ts";
import {
  ArchiveError,
  ContentStore,
  LayoutClient,
  loadArchive,
  readImage,
  StoreError,
} from "../../../store/mod.ts";
import { writeLayout } from "../../_support/debian_image.ts";
import { buildImage, buildIndex, jsonBlob, withBlobs } from "../../_support/image.ts";
import { userTest } from "../../_support/skip.ts";
import { noise } from "../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { IMAGE, ociArchive } from "../archives/_archives.ts";

const PLATFORM = { os: "linux", architecture: "amd64" };
const OTHER = `sha256:${"0".repeat(64)}`;

async function openStore(dir: TempDir): Promise<ContentStore> {
  return await ContentStore.open(dir.join("store"));
}

Deno.test("loadArchive() loads the images of a layout", async () => {
  await using dir = await makeTempDir();
  const store = await openStore(dir);
  const arm = buildImage({ layers: [noise(1000)], platform: "linux/arm64" });
  const index = buildIndex([IMAGE, arm]);
  const part = withBlobs(
    index,
    [...index.blobs.values()].filter(({ descriptor }) => !arm.blobs.has(descriptor.digest)),
  );
  await writeLayout(dir.join("My layout:1"), { "v1": IMAGE, "v2": IMAGE, "h.io/sparse:1": part });

  const verified: (readonly [bytes: number, total: number])[] = [];
  const onVerify = (bytes: number, total: number) => void verified.push([bytes, total]);

  const loaded = await loadArchive(store, dir.join("My layout:1"), { onVerify });

  const [bytes, total] = verified.at(-1) ?? [];
  assert(verified.length > 3 && bytes === total, JSON.stringify(verified));
  assertEquals(loaded.map(({ reference }) => reference && formatReference(reference)), [
    "localhost/my-layout-1:v1",
    "localhost/my-layout-1:v2",
    "h.io/sparse:1",
  ]);
  assertEquals((await store.references()).length, 3);
  const image = await readImage(store, index.descriptor.digest, PLATFORM);
  assertEquals(image?.indexes.length, 1);
  for (const { descriptor } of IMAGE.blobs.values()) assert(await store.verify(descriptor));
});

Deno.test("loadArchive() skips manifests of a layout's index whose blobs are missing", async () => {
  await using dir = await makeTempDir();
  const store = await openStore(dir);
  const arm = buildImage({ layers: [noise(1000)], platform: "linux/arm64" });
  const index = buildIndex([arm, IMAGE]);
  await writeLayout(dir.join("layout"), { "h.io/a:1": index });
  const [layer] = arm.layers;
  assert(layer !== undefined);
  await Deno.remove(dir.join("layout", "blobs", layer.descriptor.digest.replace(":", "/")));

  const [loaded] = await loadArchive(store, dir.join("layout"));

  assertEquals(loaded?.descriptor.digest, index.descriptor.digest);
  assert(await readImage(store, index.descriptor.digest, PLATFORM) !== undefined);
  assertEquals(await store.has(arm.descriptor), false);
});

Deno.test("loadArchive() stores nothing from a layout with a missing or damaged blob", async () => {
  await using dir = await makeTempDir();
  const store = await openStore(dir);
  const path = dir.join("layout");
  await writeLayout(path, { "h.io/good:1": buildImage({ layers: [noise(99)] }), "v1": IMAGE });
  const [layer] = IMAGE.layers;
  assert(layer !== undefined);
  const blob = `${path}/blobs/${layer.descriptor.digest.replace(":", "/")}`;

  await Deno.writeFile(blob, new Uint8Array(layer.bytes.length));
  await assertRejects(() => loadArchive(store, path), Error, layer.descriptor.digest);
  await Deno.writeFile(blob, layer.bytes.subarray(1));
  const short = await assertRejects(() => loadArchive(store, path), DigestMismatchError);
  await Deno.rename(blob, `${path}/moved`);
  await Deno.symlink(`${path}/moved`, blob);
  await assertRejects(() => loadArchive(store, path), StoreError, "as a file");
  await Deno.remove(blob);
  await assertRejects(() => loadArchive(store, path), StoreError, layer.descriptor.digest);

  assertEquals([short.expected, short.size], [layer.descriptor.digest, layer.bytes.length - 1]);

  const files = await Array.fromAsync(Deno.readDir(`${store.path}/blobs/sha256`));
  assertEquals([files, await store.references()], [[], []]);
});

Deno.test("loadArchive() and LayoutClient ignore entries that are not images", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await writeLayout(path, { "v1": IMAGE });
  const bytes = new TextEncoder().encode("<component/>");
  const digest = digestOf(bytes);
  await Deno.writeFile(`${path}/blobs/${digest.replace(":", "/")}`, bytes);
  const index = JSON.parse(await Deno.readTextFile(`${path}/index.json`));
  index.manifests.push({ mediaType: "application/xml", digest, size: bytes.length });
  await Deno.writeTextFile(`${path}/index.json`, JSON.stringify(index));

  const loaded = await loadArchive(await openStore(dir), path);
  const client = await LayoutClient.open({ path });

  assertEquals(loaded.map(({ descriptor }) => descriptor.digest), [IMAGE.descriptor.digest]);
  const { digest: resolved } = await client.resolve(client.reference);
  assertEquals(resolved, IMAGE.descriptor.digest);
});

Deno.test("loadArchive() rejects a layout without images", async () => {
  await using dir = await makeTempDir();
  await writeLayout(dir.join("layout"), {});
  const store = await openStore(dir);

  await assertRejects(() => loadArchive(store, dir.join("layout")), ArchiveError, "no images");
});

Deno.test.each([
  { name: `h.io/a:1@${IMAGE.descriptor.digest}`, stored: `h.io/a:1@${IMAGE.descriptor.digest}` },
  { name: `h.io/a:1@${OTHER}`, stored: "h.io/a:1" },
  { name: `a/b:1@${OTHER}`, stored: "localhost/a/b:1" },
  { name: `h.io/a@${OTHER}`, stored: undefined },
])("loadArchive() keeps no digest of other content in a name: $name", async ({ name, stored }) => {
  await using dir = await makeTempDir();
  await Deno.writeFile(dir.join("a.tar"), ociArchive(IMAGE, name));

  const [loaded] = await loadArchive(await openStore(dir), dir.join("a.tar"));

  assertEquals(loaded?.reference && formatReference(loaded.reference), stored);
});

Deno.test("LayoutClient reads a config that its descriptor embeds", async () => {
  await using dir = await makeTempDir();
  const { config, layers } = IMAGE;
  const data = config.bytes.toBase64();
  const manifest = jsonBlob(IMAGE.descriptor.mediaType, {
    schemaVersion: 2,
    mediaType: IMAGE.descriptor.mediaType,
    config: { ...config.descriptor, data },
    layers: layers.map(({ descriptor }) => descriptor),
  });
  const built = withBlobs(manifest, layers);
  await writeLayout(dir.join("layout"), { v1: built });

  const client = await LayoutClient.open({ path: dir.join("layout") });
  const image = await client.image(client.reference, { platform: PLATFORM });

  assertEquals(image.config.bytes, config.bytes);
});

Deno.test("LayoutClient.open() reports a directory that does not exist", async () => {
  await using dir = await makeTempDir();
  const source = { path: dir.join("none"), name: "v1" };

  await assertRejects(() => LayoutClient.open(source), StoreError, "it does not exist");
});

userTest("loadArchive() names the path that may not be read", async () => {
  await using dir = await makeTempDir();
  const closed = dir.join("closed");
  await Deno.mkdir(closed, { mode: 0 });
  const store = await ContentStore.open(dir.join("store"));

  const error = await assertRejects(() => loadArchive(store, `${closed}/app.tar`), Error);

  assertStringIncludes(error.message, "app.tar'");
});
