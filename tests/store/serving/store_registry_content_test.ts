import { assertEquals, assertRejects } from "@std/assert";
import { createRegistryHandler } from "../../../registry/mod.ts";
import type { Descriptor } from "../../../spec/mod.ts";
import { ContentStore, StoreRegistryContent } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { noise } from "../../_support/bytes.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  putBlobs,
} from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

const AMD64 = buildImage({ layers: [noise(1000, 1)], platform: "linux/amd64" });
const ARM64 = buildImage({ layers: [noise(1000, 2)], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);
const OTHER = buildImage({ layers: [noise(1000, 3)] });

Deno.test("StoreRegistryContent serves a repository under its full name and its path", async () => {
  await using served = await serve([
    ["docker.io/library/alpine:3", INDEX],
    ["localhost:5000/a/b:1", OTHER],
    ["latest", OTHER],
  ]);
  const { content } = served;

  assertEquals(await content.repositories(), ["docker.io/library/alpine", "localhost_5000/a/b"]);
  for (const name of ["docker.io/library/alpine", "library/alpine"]) {
    assertEquals(await content.tags(name), ["3"]);
    assertEquals(await content.resolve(name, "3"), INDEX.descriptor);
  }
  for (const name of ["localhost_5000/a/b", "a/b"]) assertEquals(await content.tags(name), ["1"]);
  assertEquals(await content.tags("library/latest"), []);
});

Deno.test("StoreRegistryContent merges the repositories of two registries, Docker Hub first", async () => {
  await using served = await serve([
    ["another.example/library/alpine:3", OTHER],
    ["another.example/library/alpine:4", OTHER],
    ["docker.io/library/alpine:3", INDEX],
  ]);
  const { content } = served;

  assertEquals(await content.tags("library/alpine"), ["3", "4"]);
  assertEquals((await content.resolve("library/alpine", "3"))?.digest, INDEX.descriptor.digest);
  assertEquals(
    (await content.resolve("another.example/library/alpine", "3"))?.digest,
    OTHER.descriptor.digest,
  );
});

Deno.test("StoreRegistryContent serves only content that a repository references", async () => {
  await using served = await serve([["example.com/a:1", INDEX], ["example.com/b:1", OTHER]]);
  const { content } = served;
  const [layer] = AMD64.layers;
  const [secret] = OTHER.layers;

  assertEquals(await content.resolve("example.com/a", AMD64.descriptor.digest), AMD64.descriptor);
  for (const { descriptor } of [INDEX, AMD64, AMD64.config, layer ?? AMD64]) {
    assertEquals(await content.size("example.com/a", descriptor.digest), descriptor.size);
  }
  const digest = secret?.descriptor.digest ?? OTHER.descriptor.digest;
  assertEquals(await content.size("example.com/a", digest), undefined);
  await assertRejects(() => content.open("example.com/a", digest), Deno.errors.NotFound);
  // A config is a blob, not a manifest.
  assertEquals(await content.resolve("example.com/a", AMD64.config.descriptor.digest), undefined);
});

Deno.test("StoreRegistryContent serves the stored manifests of an index", async () => {
  await using served = await serve([["example.com/a:1", INDEX]]);
  const { content, store } = served;
  await Deno.remove(store.blobPath(ARM64.descriptor.digest));

  assertEquals((await content.resolve("example.com/a", "1"))?.digest, INDEX.descriptor.digest);
  assertEquals(await content.size("example.com/a", ARM64.descriptor.digest), undefined);
  assertEquals(await content.resolve("example.com/a", ARM64.descriptor.digest), undefined);
  const [layer] = AMD64.layers;
  assertEquals(
    await content.size("example.com/a", layer?.descriptor.digest ?? AMD64.descriptor.digest),
    layer?.descriptor.size,
  );
});

Deno.test("StoreRegistryContent opens a range of a blob", async () => {
  await using served = await serve([["example.com/a:1", OTHER]]);
  const { descriptor, bytes } = OTHER.config;

  const stream = await served.content.open("example.com/a", descriptor.digest, {
    offset: 3,
    length: 7,
  });

  assertEquals(await new Response(stream).bytes(), bytes.slice(3, 10));
});

Deno.test("StoreRegistryContent lists referrers with and without a name", async () => {
  const signature = artifact("application/vnd.example.signature", AMD64.descriptor);
  const second = artifact("application/vnd.example.second", signature.descriptor);
  const stray = artifact("application/vnd.example.stray", OTHER.descriptor);
  await using served = await serve([
    ["example.com/a:1", INDEX],
    ["example.com/a:sha256-0", artifact("application/vnd.example.sbom", AMD64.descriptor)],
    [undefined, second],
    [undefined, signature],
    [undefined, stray],
  ]);
  const types = async (descriptor: Descriptor) =>
    (await served.content.referrers("example.com/a", descriptor.digest))
      .map(({ artifactType }) => artifactType).sort();

  assertEquals(await types(AMD64.descriptor), [
    "application/vnd.example.sbom",
    "application/vnd.example.signature",
  ]);
  assertEquals(await types(signature.descriptor), ["application/vnd.example.second"]);
  assertEquals(await types(OTHER.descriptor), []);
});

Deno.test("StoreRegistryContent serves images that are pulled later", async () => {
  await using served = await serve([["example.com/a:1", OTHER]]);
  const { content, store } = served;
  assertEquals(await content.tags("example.com/a"), ["1"]);

  await store.tag("example.com/a:2", OTHER.descriptor);

  assertEquals(await content.tags("example.com/a"), ["1", "2"]);
});

Deno.test("StoreRegistryContent keeps serving despite a damaged manifest", async () => {
  await using served = await serve([["example.com/a:1", INDEX], ["example.com/a:2", OTHER]]);
  const { content, store } = served;
  await Deno.writeTextFile(store.blobPath(OTHER.descriptor.digest), "damaged");
  const handler = createRegistryHandler(content);

  const intact = await handler(new Request("http://localhost/v2/example.com/a/manifests/1"));

  assertEquals(await intact.bytes(), INDEX.bytes);
});

interface Served extends AsyncDisposable {
  readonly store: ContentStore;
  readonly content: StoreRegistryContent;
}

async function serve(
  images: readonly (readonly [name: string | undefined, built: Built])[],
): Promise<Served> {
  const directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const unrelated = randomBlob(10);
  await store.putBytes(unrelated.descriptor, unrelated.bytes);
  for (const [name, built] of images) {
    await putBlobs(store, built);
    if (name !== undefined) await store.tag(name, built.descriptor);
    else await appendEntry(`${directory.path}/index.json`, built.descriptor);
  }
  return {
    store,
    content: new StoreRegistryContent(store),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

async function appendEntry(path: string, entry: Descriptor): Promise<void> {
  const index = JSON.parse(await Deno.readTextFile(path));
  index.manifests.push(entry);
  await Deno.writeTextFile(path, JSON.stringify(index));
}

function artifact(artifactType: string, subject: Descriptor): Built {
  return buildArtifact({ artifactType, subject, content: artifactType });
}
