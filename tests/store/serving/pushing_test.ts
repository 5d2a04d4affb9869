import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseReference, RemoteClient } from "../../../registry/mod.ts";
import { openBytes } from "../../../spec/image/read_bytes.ts";
import { type Digest, DigestMismatchError, digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import { ContentStore, prune, serveStore, StoreRegistryContent } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { cuttingProxy } from "../../_support/cutting_proxy.ts";
import {
  blobOf,
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  putBlobs,
} from "../../_support/image.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const IMAGE = buildImage({ layers: [noise(1000, 1)], platform: "linux/amd64" });
const ARM64 = buildImage({ layers: [noise(1000, 2)], platform: "linux/arm64" });
const INDEX = buildIndex([IMAGE, ARM64]);
const LAYER = IMAGE.layers[0] ?? IMAGE;
const BYTES = noise(5000, 9);
const MIB = 1024 * 1024;
const DIGEST = digestOf(BYTES);

Deno.test("StoreRegistryContent stores pushed images under localhost", async () => {
  await using pushed = await setUp();

  await push(pushed.content, "team/app", ["v1", "latest"], INDEX);

  assertEquals(await names(pushed.store), ["localhost/team/app:v1", "localhost/team/app:latest"]);
  assertEquals(await pushed.content.repositories(), ["team/app"]);
  assertEquals(await pushed.content.tags("team/app"), ["latest", "v1"]);
});

Deno.test("serveStore() resumes an upload that breaks every MiB, with few bytes sent twice", async () => {
  await using directory = await makeTempDir({ large: true });
  const blob = blobOf(OCI_LAYER, noise(16 * MIB));
  const { bytes } = blob;
  await using server = await serveStore(await ContentStore.open(directory.path));
  await using proxy = cuttingProxy(server.host, MIB);
  using client = new RemoteClient({ credentials: "none" });

  await client.pushBlob(
    parseReference(`${proxy.host}/a/b`),
    blob.descriptor,
    openBytes(bytes),
  );

  assert(proxy.cuts >= 15, `${proxy.cuts} cuts`);
  assert(proxy.bytes <= 1.05 * bytes.length, `${proxy.bytes} bytes were sent`);
});

Deno.test("StoreRegistryContent does not change images of other registries", async () => {
  await using pushed = await setUp([["docker.io/library/alpine:3", ARM64]]);
  const { content, store } = pushed;

  for (const name of ["library/alpine", "docker.io/library/alpine"]) {
    await push(content, name, ["3"], IMAGE);

    assertEquals((await content.resolve(name, "3"))?.digest, IMAGE.descriptor.digest);
  }
  assertEquals(await store.resolve("docker.io/library/alpine:3"), {
    ...ARM64.descriptor,
    annotations: { "org.opencontainers.image.ref.name": "docker.io/library/alpine:3" },
  });
});

Deno.test("StoreRegistryContent records a push by digest until an index lists it", async () => {
  await using pushed = await setUp();
  const { content, store } = pushed;

  await push(content, "a", [], IMAGE);
  const before = await names(store);
  await push(content, "a", ["1"], INDEX);

  assertEquals(before, [`localhost/a@${IMAGE.descriptor.digest}`]);
  assertEquals(await names(store), ["localhost/a:1"]);
});

Deno.test("StoreRegistryContent keeps pushed content across a restart", async () => {
  await using pushed = await setUp();
  const signature = buildArtifact({ artifactType: "application/x", subject: IMAGE.descriptor });
  const orphan = buildArtifact({ artifactType: "application/y", subject: ARM64.descriptor });
  await push(pushed.content, "a", ["1"], IMAGE);
  await push(pushed.content, "a", [], signature);
  await push(pushed.content, "a", [], orphan);

  const restarted = new StoreRegistryContent(await ContentStore.open(pushed.store.path));

  for (const built of [IMAGE, signature, orphan]) {
    const { digest } = built.descriptor;
    assertEquals((await restarted.resolve("a", digest))?.digest, digest);
  }
  const referrers = async ({ descriptor }: Built) =>
    (await restarted.referrers("a", descriptor.digest)).map(({ artifactType }) => artifactType);
  assertEquals(await referrers(IMAGE), ["application/x"]);
  assertEquals(await referrers(ARM64), ["application/y"]);
});

Deno.test("StoreRegistryContent serves a complete blob only in its repository", async () => {
  await using pushed = await setUp();
  const { content, store } = pushed;
  const upload = await content.beginUpload("a");
  await upload.write(BYTES.slice(0, 3000));

  const during = [await content.size("a", DIGEST), await store.has(DIGEST)];
  await upload.write(BYTES.slice(3000));
  await upload.commit(DIGEST);

  assertEquals(during, [undefined, false]);
  assertEquals(await content.size("a", DIGEST), BYTES.length);
  assertEquals(await content.size("b", DIGEST), undefined);
  assertEquals(await new Response(await content.open("a", DIGEST)).bytes(), BYTES);
  assertEquals(await parts(store), []);
});

Deno.test.each<{ name: string; digest: Digest }>([
  { name: "sha256", digest: digestOf(BYTES.slice(1)) },
  { name: "sha512", digest: digestOf(BYTES.slice(1), "sha512") },
])("StoreRegistryContent keeps nothing of a blob with a wrong $name", async ({ digest }) => {
  await using pushed = await setUp();
  const { content, store } = pushed;
  const upload = await content.beginUpload("a");
  await upload.write(BYTES);

  await assertRejects(() => upload.commit(digest), DigestMismatchError);

  assertEquals(await content.size("a", digest), undefined);
  assertEquals(await store.has(DIGEST), false);
  assertEquals(await parts(store), []);
});

Deno.test("StoreRegistryContent keeps nothing of a canceled upload", async () => {
  await using pushed = await setUp();
  const upload = await pushed.content.beginUpload("a");
  await upload.write(BYTES);

  await upload.cancel();

  assertEquals(await parts(pushed.store), []);
});

Deno.test("StoreRegistryContent mounts only blobs of a repository", async () => {
  await using pushed = await setUp([["example.com/a:1", IMAGE]]);
  const { content, store } = pushed;
  await store.putBytes({ mediaType: "x", digest: DIGEST, size: BYTES.length }, BYTES);
  const { digest } = LAYER.descriptor;

  assertEquals(await content.mount("b", digest, "nowhere"), false);
  assertEquals(await content.size("b", digest), undefined);
  assertEquals(await content.mount("b", digest, "a"), true);
  assertEquals(await content.size("b", digest), LAYER.descriptor.size);
  assertEquals(await content.mount("c", digest), true);
  assertEquals(await content.mount("c", DIGEST), false);
});

Deno.test("StoreRegistryContent deletes a tag but not its manifest", async () => {
  await using pushed = await setUp();
  const { content, store } = pushed;
  await push(content, "a", ["1", "2"], IMAGE);

  const deleted = [await content.deleteTag("a", "1"), await content.deleteTag("a", "1")];

  assertEquals(deleted, [true, false]);
  assertEquals(await content.tags("a"), ["2"]);
  assertEquals(await names(store), ["localhost/a:2"]);
});

Deno.test("StoreRegistryContent deletes a manifest with its tags, even if an index lists it", async () => {
  await using pushed = await setUp();
  const { content, store } = pushed;
  await push(content, "a", ["all"], INDEX);
  await push(content, "a", ["amd64"], IMAGE);
  await push(content, "b", ["1"], IMAGE);
  const { digest } = IMAGE.descriptor;

  const deleted = [await content.deleteManifest("a", digest)];
  deleted.push(await content.deleteManifest("a", digest));

  assertEquals(deleted, [true, false]);
  assertEquals(await content.resolve("a", digest), undefined);
  assertEquals(await content.tags("a"), ["all"]);
  assertEquals((await content.resolve("b", digest))?.digest, digest);
  assertEquals(await names(store), ["localhost/a:all", "localhost/b:1"]);
});

Deno.test("StoreRegistryContent hides deleted content after a restart, until it is pushed", async () => {
  await using pushed = await setUp();
  const { digest } = IMAGE.descriptor;
  const restarted = async () => {
    return new StoreRegistryContent(await ContentStore.open(pushed.store.path));
  };
  await push(pushed.content, "a", ["1"], INDEX);

  await pushed.content.deleteManifest("a", digest);
  await (await restarted()).deleteBlob("a", LAYER.descriptor.digest);
  const later = await restarted();

  assertEquals(await later.resolve("a", digest), undefined);
  assertEquals(await later.size("a", LAYER.descriptor.digest), undefined);
  assertEquals(
    (await later.resolve("a", ARM64.descriptor.digest))?.digest,
    ARM64.descriptor.digest,
  );
  await push(later, "a", [], IMAGE);
  assertEquals((await (await restarted()).resolve("a", digest))?.digest, digest);
});

Deno.test("StoreRegistryContent hides content that another process deletes", async () => {
  await using pushed = await setUp();
  const { digest } = IMAGE.descriptor;
  await push(pushed.content, "a", ["1"], INDEX);
  const other = new StoreRegistryContent(await ContentStore.open(pushed.store.path));
  const found = [await other.resolve("a", digest)];

  await pushed.content.deleteManifest("a", digest);
  found.push(await other.resolve("a", digest));
  await push(pushed.content, "a", [], IMAGE);
  found.push(await other.resolve("a", digest));

  assertEquals(found.map((descriptor) => descriptor?.digest), [digest, undefined, digest]);
});

Deno.test("StoreRegistryContent serves deleted content that is pushed again", async () => {
  await using pushed = await setUp();
  const { content } = pushed;
  const { digest } = LAYER.descriptor;
  await push(content, "a", ["1"], IMAGE);

  const deleted = [await content.deleteBlob("a", digest), await content.size("a", digest)];
  await push(content, "a", ["1"], IMAGE);

  assertEquals(deleted, [true, undefined]);
  assertEquals(await content.size("a", digest), LAYER.descriptor.size);
});

Deno.test("StoreRegistryContent serves a deleted image that is pulled again", async () => {
  await using pushed = await setUp();
  const { content, store } = pushed;
  const { digest } = IMAGE.descriptor;
  await push(content, "a", ["1"], IMAGE);
  await content.deleteManifest("a", digest);

  await store.tag("localhost/a:1", IMAGE.descriptor);

  assertEquals((await content.resolve("a", "1"))?.digest, digest);
  assertEquals((await content.resolve("a", digest))?.digest, digest);
});

Deno.test("serveStore() serves stored images and stores pushed ones", async () => {
  await using pushed = await setUp([["example.com/a:1", IMAGE]]);
  await using registry = await serveStore(pushed.store);

  const tags = await fetch(`${registry.url}/v2/a/tags/list`);
  const path = `/v2/a/blobs/uploads/?digest=${DIGEST}`;
  const stored = await fetch(`${registry.url}${path}`, { method: "POST", body: BYTES });
  await stored.body?.cancel();

  assertEquals(await tags.json(), { name: "a", tags: ["1"] });
  assertEquals(stored.status, 201);
  assertEquals(await pushed.store.readBlob({ digest: DIGEST }), BYTES);
});

Deno.test("serveStore() protects unnamed blobs against pruning", async () => {
  await using pushed = await setUp();
  const { store } = pushed;
  const path = `/v2/a/blobs/uploads/?digest=${DIGEST}`;
  const kept: boolean[] = [];
  {
    await using registry = await serveStore(store);
    const stored = await fetch(`${registry.url}${path}`, { method: "POST", body: BYTES });
    await stored.body?.cancel();

    await prune(await ContentStore.open(store.path));
    kept.push(await store.has(DIGEST));
  }
  await prune(await ContentStore.open(store.path));
  kept.push(await store.has(DIGEST));

  assertEquals(kept, [true, false]);
});

interface Pushed extends AsyncDisposable {
  readonly store: ContentStore;
  readonly content: StoreRegistryContent;
}

/** Opens a store, optionally with pulled images. */
async function setUp(images: readonly (readonly [string, Built])[] = []): Promise<Pushed> {
  const directory = await makeTempDir({ large: true });
  const store = await ContentStore.open(directory.path);
  for (const [name, built] of images) {
    await putBlobs(store, built);
    await store.tag(name, built.descriptor);
  }
  return {
    store,
    content: new StoreRegistryContent(store),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Pushes in the order of clients: blobs, then manifests by digest, then tags. */
async function push(
  content: StoreRegistryContent,
  repository: string,
  tags: readonly string[],
  built: Built,
): Promise<void> {
  for (const { descriptor, bytes } of built.blobs.values()) {
    if (descriptor.digest === built.descriptor.digest) continue;
    if (/manifest/.test(descriptor.mediaType)) {
      await content.putManifest(repository, descriptor, bytes, []);
      continue;
    }
    const upload = await content.beginUpload(repository);
    await upload.write(bytes);
    await upload.commit(descriptor.digest);
  }
  await content.putManifest(repository, built.descriptor, built.bytes, tags);
}

async function names(store: ContentStore): Promise<readonly string[]> {
  return (await store.references()).map(({ name }) => name);
}

/** Files of unfinished uploads. */
async function parts({ path }: ContentStore): Promise<readonly string[]> {
  return await namesIn(`${path}/ingest`);
}
