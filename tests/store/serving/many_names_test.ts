import { assert, assertEquals } from "@std/assert";
import { createRegistryHandler } from "../../../registry/mod.ts";
import type { Digest } from "../../../spec/mod.ts";
import { ContentStore, StoreRegistryContent } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  putBlobs,
} from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

const COUNT = 150;
const IMAGES = Array.from({ length: COUNT }, (_, i) => {
  return buildImage({ layers: [noise(20, i)], compression: "none" });
});

/** A store of many images that counts what is read. */
interface CountedStore {
  readonly store: ContentStore;
  readonly content: StoreRegistryContent;
  readonly reads: { references: number; blobs: number };
}

async function storeImages(
  nameOf: (image: Built, i: number) => string,
): Promise<CountedStore & AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir({ large: true }));
  const writer = await ContentStore.open(directory.path);
  for (const image of IMAGES) await putBlobs(writer, image);
  await writer.record(
    IMAGES.map((image, i) => ({ name: nameOf(image, i), descriptor: image.descriptor })),
  );
  const counted = await openCounted(directory.path);
  const owned = stack.move();
  return { ...counted, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function openCounted(path: string): Promise<CountedStore> {
  const store = await ContentStore.open(path);
  const reads = { references: 0, blobs: 0 };
  const { references, readBlob } = ContentStore.prototype;
  store.references = () => {
    reads.references++;
    return references.call(store);
  };
  store.readBlob = (...args) => {
    reads.blobs++;
    return readBlob.apply(store, args);
  };
  return { store, content: new StoreRegistryContent(store), reads };
}

Deno.test("StoreRegistryContent checks an index of many manifests in one pass", async () => {
  await using counted = await storeImages(({ descriptor }) => `localhost/a@${descriptor.digest}`);
  const { content, reads, store } = counted;
  await using handler = createRegistryHandler(content);
  const index = buildIndex(IMAGES);

  const response = await handler(
    new Request("http://localhost/v2/a/manifests/all", {
      method: "PUT",
      headers: { "content-type": index.descriptor.mediaType },
      body: index.bytes,
    }),
  );

  assertEquals(response.status, 201, await response.text());
  assert(reads.references <= 6, `index.json was read ${reads.references} times`);
  assert(reads.blobs <= COUNT + 2, `${reads.blobs} documents were read`);
  // The index lists the manifests now.
  assertEquals((await store.references()).map(({ name }) => name), ["localhost/a:all"]);
});

Deno.test("StoreRegistryContent reads the documents of many tags once", async () => {
  await using counted = await storeImages((_, i) => `example.com/a:v${i}`);
  const { content, reads, store } = counted;
  const sizes = async () => {
    for (const { config } of IMAGES) {
      assertEquals(
        await content.size("example.com/a", config.descriptor.digest),
        config.descriptor.size,
      );
    }
  };

  await sizes();
  assert(reads.blobs <= COUNT, `${reads.blobs} documents were read`);
  reads.blobs = 0;
  await sizes();
  // A push does not make it read known documents again.
  const upload = await content.beginUpload("example.com/a");
  const blob = noise(30, 1_000);
  await upload.write(blob);
  const other = buildImage({ layers: [blob], compression: "none" });
  const layer = other.layers[0]?.descriptor ?? other.descriptor;
  await upload.commit(layer.digest);
  assertEquals(await content.size("example.com/a", layer.digest), layer.size);
  await sizes();

  assertEquals(reads.blobs, 0);
  assertEquals((await content.tags("example.com/a")).length, (await store.references()).length);
});

Deno.test("StoreRegistryContent serves content that another process stores", async () => {
  await using counted = await storeImages((_, i) => `example.com/a:v${i}`);
  const { content, store } = counted;
  const other = await ContentStore.open(store.path);
  const child = buildImage({ layers: [noise(40, 2_000)], compression: "none" });
  const index = buildIndex([child]);
  const { config } = child;
  const find = async (digest: Digest) => await content.size("example.com/a", digest);

  await other.putBytes(index.descriptor, index.bytes);
  assertEquals(await content.resolve("example.com/a", "sparse"), undefined);
  await other.tag("example.com/a:sparse", index.descriptor);
  assertEquals(
    (await content.resolve("example.com/a", "sparse"))?.digest,
    index.descriptor.digest,
  );
  assertEquals(await find(config.descriptor.digest), undefined);
  // The platform is pulled later, which does not change index.json.
  await putBlobs(other, child);
  assertEquals(await find(config.descriptor.digest), config.descriptor.size);

  const [subject] = IMAGES;
  if (subject === undefined) throw new TypeError("there is no image");
  const referrer = buildArtifact({
    artifactType: "application/x-test",
    subject: subject.descriptor,
  });
  assertEquals(await content.referrers("example.com/a", subject.descriptor.digest), []);
  await putBlobs(other, referrer);
  await other.keep(referrer.descriptor);
  const found = await content.referrers("example.com/a", subject.descriptor.digest);
  assertEquals(found.map(({ digest }) => digest), [referrer.descriptor.digest]);

  await other.untag(["example.com/a:v1"]);
  assertEquals(await content.resolve("example.com/a", "v1"), undefined);
  assertEquals(
    await find(IMAGES[1]?.config.descriptor.digest ?? config.descriptor.digest),
    undefined,
  );
});

Deno.test("StoreRegistryContent reads no large documents again, except those of a page", async () => {
  await using directory = await makeTempDir({ large: true });
  const writer = await ContentStore.open(directory.path);
  const subject = buildImage({ layers: [noise(20, 0)], compression: "none" });
  // More bytes than are cached.
  const referrers = Array.from({ length: 10 }, (_, i) =>
    buildArtifact({
      artifactType: `application/x-test-${i % 2}`,
      subject: subject.descriptor,
      annotations: { i: String(i), padding: "x".repeat(4_000_000) },
    }));
  for (const image of [subject, ...referrers]) await putBlobs(writer, image);
  await writer.record([
    { name: "localhost/a:v1", descriptor: subject.descriptor },
    ...referrers.map(({ descriptor }) => {
      return { name: `localhost/a@${descriptor.digest}`, descriptor };
    }),
  ]);
  const { content, reads } = await openCounted(directory.path);
  await using handler = createRegistryHandler(content);
  const { digest } = subject.descriptor;
  const list = async (query: string) => {
    reads.blobs = 0;
    const url = `http://localhost/v2/a/referrers/${digest}${query}`;
    return (await (await handler(new Request(url))).json()).manifests;
  };
  await content.referrers("a", digest);
  await writer.tag("localhost/a:v2", subject.descriptor);

  reads.blobs = 0;
  assertEquals(await content.size("a", digest), subject.descriptor.size);
  assertEquals(reads.blobs, 0);

  assertEquals((await list("")).length, 1);
  assert(reads.blobs <= 4, `${reads.blobs} documents were read for a page`);
  const [found] = await list("?artifactType=application/x-test-1");
  assertEquals(found.artifactType, "application/x-test-1");
  assert(reads.blobs <= 4, `${reads.blobs} documents were read for a page of one type`);
  assertEquals(await list("?artifactType=application/x-other"), []);
  assertEquals(reads.blobs, 0);
});

Deno.test("StoreRegistryContent reads no other manifests to serve an image", async () => {
  await using counted = await storeImages((_, i) => `example.com/a:v${i}`);
  const { content, reads } = counted;
  const [, image] = IMAGES;
  if (image === undefined) throw new TypeError("there is no image");

  const { digest } = await content.resolve("example.com/a", "v1") ?? image.descriptor;
  await (await content.open("example.com/a", digest)).cancel();
  for (const { descriptor } of [image.config, ...image.layers]) {
    assertEquals(await content.size("example.com/a", descriptor.digest), descriptor.size);
  }

  assertEquals(digest, image.descriptor.digest);
  assertEquals(reads.blobs, 1);
  // Nor for content that the store lacks, which a client is going to push.
  const unknown: Digest = `sha256:${"0".repeat(64)}`;
  assertEquals(await content.size("example.com/a", unknown), undefined);
  assertEquals(await content.resolve("example.com/a", unknown), undefined);
  assertEquals(await content.mount("example.com/b", unknown), false);
  assertEquals(reads.blobs, 1);
});
