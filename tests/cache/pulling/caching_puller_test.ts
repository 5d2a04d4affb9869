import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  CachingPuller,
  type HashCache,
  LayoutHashCache,
  LayoutImageCache,
  NotCachedError,
} from "../../../cache/mod.ts";
import {
  formatReference,
  type ImageProgress,
  type ImagePullPolicy,
  NetworkError,
  NotFoundError,
  parseReference,
} from "../../../registry/mod.ts";
import { describeError } from "../../../spec/error_facts.ts";
import { type Digest, DigestMismatchError, PlatformError } from "../../../spec/mod.ts";
import { ContentStore, prune } from "../../../store/mod.ts";
import { buildIndex } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { cacheIn, IMAGE, image, layersOf, OTHER, REFERENCE, type State } from "./_cached_image.ts";
import { FakeClient } from "./_fake_client.ts";

const PINNED = { ...REFERENCE, digest: IMAGE.descriptor.digest };

const ALL = ["image", ...layersOf(IMAGE)];

const OFFLINE = new NetworkError("Cannot reach example.com: nobody listens", {
  url: "https://example.com/v2/",
  reason: "refused",
});

/** Calls of the client for each policy and each state of the cache. */
const TABLE: readonly {
  readonly pullPolicy: ImagePullPolicy;
  readonly state: State;
  readonly calls: readonly string[] | "not cached" | "mismatch";
  readonly warnings?: number;
}[] = [
  { pullPolicy: "IfNotPresent", state: "absent", calls: ALL },
  { pullPolicy: "IfNotPresent", state: "complete", calls: [] },
  { pullPolicy: "IfNotPresent", state: "stale", calls: [] },
  { pullPolicy: "IfNotPresent", state: "incomplete", calls: ALL.slice(0, 2) },
  { pullPolicy: "IfNotPresent", state: "corrupt", calls: ALL.slice(0, 2), warnings: 1 },
  { pullPolicy: "Always", state: "absent", calls: ALL },
  { pullPolicy: "Always", state: "complete", calls: ["resolve"] },
  { pullPolicy: "Always", state: "stale", calls: ["resolve", "image", ...layersOf(OTHER)] },
  { pullPolicy: "Always", state: "incomplete", calls: ALL.slice(0, 2) },
  { pullPolicy: "Always", state: "corrupt", calls: ALL.slice(0, 2), warnings: 1 },
  { pullPolicy: "Newer", state: "absent", calls: ALL },
  { pullPolicy: "Newer", state: "complete", calls: ["resolve"] },
  { pullPolicy: "Newer", state: "stale", calls: ["resolve", "image", ...layersOf(OTHER)] },
  { pullPolicy: "Newer", state: "incomplete", calls: ALL.slice(0, 2) },
  { pullPolicy: "Newer", state: "corrupt", calls: ALL.slice(0, 2), warnings: 1 },
  { pullPolicy: "Never", state: "absent", calls: "not cached" },
  { pullPolicy: "Never", state: "complete", calls: [] },
  { pullPolicy: "Never", state: "stale", calls: [] },
  { pullPolicy: "Never", state: "incomplete", calls: "not cached" },
  { pullPolicy: "Never", state: "corrupt", calls: "mismatch" },
];

Deno.test.each(TABLE)("image() with $pullPolicy when $state", async (row) => {
  const { pullPolicy, state, calls, warnings = 0 } = row;
  await using cache = await cacheIn(state);
  const warned: string[] = [];

  const pulled = cache.puller.image(REFERENCE, {
    pullPolicy,
    platform: "linux/amd64",
    onWarning: (message) => warned.push(message),
  });

  if (calls === "not cached") {
    const { reference } = await assertRejects(() => pulled, NotCachedError, "IfNotPresent");
    assertEquals(reference, "example.com/a:1");
  } else if (calls === "mismatch") {
    await assertRejects(() => pulled, DigestMismatchError);
  } else {
    assertEquals((await pulled).layers.length, 2);
  }
  assertEquals(cache.client.calls.sort(), typeof calls === "string" ? [] : calls.toSorted());
  assertEquals(warned.length, warnings);
});

Deno.test.each(["Always", "IfNotPresent", "Newer", "Never"] as const)(
  "image() with %s sends no request for a digest that is complete",
  async (pullPolicy) => {
    await using cache = await cacheIn("complete");

    const { digest } = await cache.puller.image(PINNED, { pullPolicy, platform: "linux/amd64" });

    assertEquals(digest, IMAGE.descriptor.digest);
    assertEquals(cache.client.calls, []);
  },
);

Deno.test("image() records a name for a digest that was pulled under another one", async () => {
  await using cache = await cacheIn("complete");
  await cache.puller.image(PINNED, { platform: "linux/amd64" });

  await cache.store.untag([formatReference(REFERENCE)]);

  const names = (await cache.store.references()).map(({ name }) => name);
  assertEquals(names, [formatReference(PINNED)]);
});

Deno.test("find() records nothing until the image is kept", async () => {
  await using cache = await cacheIn("complete");
  const reference = parseReference(`example.com/b@${IMAGE.descriptor.digest}`);

  const found = await cache.puller.find(reference, { platform: "linux/amd64" });

  const hashes = new LayoutHashCache(cache.store);
  assertEquals([found.isCached, await hashes.hash(reference)], [true, undefined]);
  await found.keep();
  assertEquals(await hashes.hash(reference), IMAGE.descriptor.digest);
});

Deno.test("image() finds an index by its digest, and chooses from it", async () => {
  const arm = image(3, "linux/arm64");
  const index = buildIndex([IMAGE, arm]);
  await using cache = await cacheIn("absent", index);
  const reference = { ...REFERENCE, digest: index.descriptor.digest };
  await cache.puller.image(reference, { platform: "linux/arm64" });
  cache.client.calls.length = 0;

  const again = await cache.puller.image(reference, {
    platform: "linux/arm64",
    pullPolicy: "Never",
  });

  assertEquals(again.digest, index.descriptor.digest);
  assertEquals(again.manifest.descriptor.digest, arm.descriptor.digest);
  assertEquals(again.indexes[0]?.bytes, index.bytes);
  assertEquals(cache.client.calls, []);
});

Deno.test("image() says that an image with the digest of the options is absent", async () => {
  await using cache = await cacheIn("complete");
  const { digest } = OTHER.descriptor;
  const search = cache.puller.image(REFERENCE, { digest, pullPolicy: "Never" });

  const error = await assertRejects(() => search, NotCachedError, "it is not in the store");

  assertEquals(error.reference, formatReference({ ...REFERENCE, digest }));
});

Deno.test("image() fetches another platform of a stored index", async () => {
  const arm = image(3, "linux/arm64");
  await using cache = await cacheIn("absent", buildIndex([IMAGE, arm]));
  await cache.puller.image(REFERENCE, { platform: "linux/amd64" });
  cache.client.calls.length = 0;

  await assertRejects(
    () => cache.puller.image(REFERENCE, { platform: "linux/arm64", pullPolicy: "Never" }),
    NotCachedError,
    "parts of",
  );
  const { platform } = await cache.puller.image(REFERENCE, { platform: "linux/arm64" });

  assertEquals(platform.architecture, "arm64");
  assertEquals(cache.client.calls[0], "image");
  await assertRejects(
    () => cache.puller.image(REFERENCE, { platform: "linux/s390x" }),
    PlatformError,
    "linux/amd64, linux/arm64",
  );
});

Deno.test.each(
  [
    { pullPolicy: "IfNotPresent", asks: true },
    { pullPolicy: "Always", asks: true },
    { pullPolicy: "Newer", asks: true },
    { pullPolicy: "Never", asks: false },
  ] as const,
)(
  "image() with $pullPolicy handles a stored index without the platform",
  async ({ pullPolicy, asks }) => {
    const old = buildIndex([IMAGE]);
    await using cache = await cacheIn("absent", old);
    await cache.puller.image(REFERENCE, { platform: "linux/amd64" });
    cache.client.serve(buildIndex([IMAGE, image(3, "linux/arm64")]));
    const options = { pullPolicy, platform: "linux/arm64" };
    const pinned = { ...REFERENCE, digest: old.descriptor.digest };

    await assertRejects(() => cache.puller.image(pinned, options), PlatformError, "linux/amd64");
    const pulled = cache.puller.image(REFERENCE, options);

    if (asks) assertEquals((await pulled).platform.architecture, "arm64");
    else await assertRejects(() => pulled, PlatformError, "linux/amd64");
  },
);

Deno.test("image() with Newer uses the cache, with a warning, if the registry does not respond", async () => {
  await using cache = await cacheIn("complete");
  cache.client.failure = OFFLINE;
  const warned: string[] = [];

  const { digest } = await cache.puller.image(REFERENCE, {
    pullPolicy: "Newer",
    platform: "linux/amd64",
    onWarning: (message) => warned.push(message),
  });

  assertEquals(digest, IMAGE.descriptor.digest);
  assertEquals(warned, [`Using the image in the store: ${describeError(OFFLINE)}`]);
});

Deno.test("image() with Newer uses the cache, with a warning, if a download fails", async () => {
  await using cache = await cacheIn("stale");
  cache.client.layerFailure = OFFLINE;
  const warned: string[] = [];
  const options = { pullPolicy: "Newer", platform: "linux/amd64" } as const;

  const { digest } = await cache.puller.image(REFERENCE, {
    ...options,
    onWarning: (message) => warned.push(message),
  });

  assertEquals(digest, IMAGE.descriptor.digest);
  assertEquals(warned, [`Using the image in the store: ${describeError(OFFLINE)}`]);
  await assertRejects(
    () => cache.puller.image(REFERENCE, { ...options, pullPolicy: "Always" }),
    NetworkError,
  );
});

const MISSING = new NotFoundError("Cannot find it", { status: 404, url: "https://example.com/" });

Deno.test.each(
  [
    { pullPolicy: "Newer", state: "complete", failure: MISSING, why: "a 404" },
    {
      pullPolicy: "Newer",
      state: "absent",
      failure: OFFLINE,
      why: "a refused connection for an absent image",
    },
    { pullPolicy: "Always", state: "complete", failure: OFFLINE, why: "a refused connection" },
    {
      pullPolicy: "IfNotPresent",
      state: "corrupt",
      failure: OFFLINE,
      why: "a refused connection for a corrupt image",
    },
  ] as const,
)("image() with $pullPolicy does not swallow $why", async (row) => {
  await using cache = await cacheIn(row.state);
  cache.client.failure = row.failure;

  const { pullPolicy } = row;
  const pulled = cache.puller.image(REFERENCE, { pullPolicy, platform: "linux/amd64" });

  assertEquals(await pulled.catch((error) => error), row.failure);
});

Deno.test.each(["IfNotPresent", "Never"] as const)(
  "image() with %s warns of a cached image that is for another platform",
  async (pullPolicy) => {
    await using cache = await cacheIn("complete");
    const warned: string[] = [];

    await cache.puller.image(REFERENCE, {
      pullPolicy,
      platform: "linux/arm64",
      onWarning: (message) => warned.push(message),
    });

    assertEquals(warned, ['"example.com/a:1" is for linux/amd64, not for linux/arm64']);
  },
);

Deno.test("image() records nothing for an image that did not arrive", async () => {
  const wrong = { ...IMAGE, blobs: new Map(IMAGE.blobs) };
  const [layer] = IMAGE.layers;
  if (layer !== undefined) {
    wrong.blobs.set(layer.descriptor.digest, { ...layer, bytes: new Uint8Array(layer.bytes) });
    wrong.blobs.get(layer.descriptor.digest)?.bytes.fill(1);
  }
  await using cache = await cacheIn("absent", wrong);

  await assertRejects(
    () => cache.puller.image(REFERENCE, { platform: "linux/amd64" }),
    DigestMismatchError,
  );

  assertEquals(await cache.store.references(), []);
  assertEquals(await cache.store.has(IMAGE.descriptor), false);
});

Deno.test("image() rejects an unknown policy", async () => {
  await using cache = await cacheIn("absent");

  await assertRejects(
    () => cache.puller.image(REFERENCE, { pullPolicy: "always" as ImagePullPolicy }),
    RangeError,
    "it is always",
  );
});

Deno.test("image() reports each layer, the sum, and whether they were cached", async () => {
  await using cache = await cacheIn("incomplete");
  const events: ImageProgress[] = [];

  await cache.puller.image(REFERENCE, {
    platform: "linux/amd64",
    onProgress: (event) => events.push(event),
  });

  const done = events.filter(({ phase, digest }) => phase === "done" && digest !== undefined);
  const [missing, kept] = IMAGE.layers.map(({ descriptor }) => descriptor.digest);
  assertEquals(events[0]?.phase, "resolve");
  assertEquals(done.find(({ digest }) => digest === missing)?.cached, false);
  assertEquals(done.find(({ digest }) => digest === kept)?.cached, true);
  assertEquals(done.length, 2);
  const last = events.at(-1);
  assertEquals([last?.phase, last?.digest, last?.cached], ["done", undefined, false]);
  assertEquals(last?.bytes, last?.total);
});

Deno.test("image() rejects with the reason of its signal", async () => {
  await using cache = await cacheIn("absent");
  const reason = new Error("enough");

  const pulled = cache.puller.image(REFERENCE, { signal: AbortSignal.abort(reason) });

  assertEquals(await pulled.catch((error) => error), reason);
});

Deno.test("image() works with a client that cannot resolve, and with other caches", async () => {
  await using cache = await cacheIn("complete");
  const recorded = new Map<string, Digest>([["example.com/a:1", OTHER.descriptor.digest]]);
  const hashes: HashCache = {
    hash: (reference) => Promise.resolve(recorded.get(formatReference(reference))),
    writeHash: (reference, digest) => {
      recorded.set(formatReference(reference), digest);
      return Promise.resolve();
    },
  };
  const { client } = cache;
  const puller = new CachingPuller(hashes, new LayoutImageCache(cache.store), {
    image: (reference, options) => client.image(reference, options),
  });

  await puller.image(REFERENCE, { pullPolicy: "Always", platform: "linux/amd64" });
  await puller.image(REFERENCE, { pullPolicy: "Always", platform: "linux/amd64" });

  assertEquals(client.calls, ["image", "image"]);
  assertEquals(recorded.get("example.com/a:1"), IMAGE.descriptor.digest);
});

Deno.test("image() fetches an image again that is pruned before its other name is recorded", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const client = new FakeClient(IMAGE);
  const images = new LayoutImageCache(store);
  const puller = new CachingPuller(new LayoutHashCache(store), images, client);
  await puller.image(REFERENCE);
  const hold = images.hold.bind(images);
  images.hold = async (signal) => {
    const other = await ContentStore.open(directory.path);
    await other.untag([formatReference(REFERENCE)]);
    await prune(other);
    return await hold(signal);
  };

  await puller.image(PINNED);

  await prune(store);
  assert(await images.image(IMAGE.descriptor.digest));
});

Deno.test("image() lets its cache expect the image before the client finds it", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const calls: string[] = [];
  class Images extends LayoutImageCache {
    override expectImage(): void {
      calls.push("expect");
      super.expectImage();
    }
  }
  const client = new FakeClient(IMAGE);
  const find = client.image.bind(client);
  client.image = (reference, options) => {
    calls.push("find");
    return find(reference, options);
  };
  const puller = new CachingPuller(new LayoutHashCache(store), new Images(store), client);

  // A lookup alone writes nothing.
  await puller.find(REFERENCE, { platform: "linux/amd64" });
  await puller.image(REFERENCE, { platform: "linux/amd64" });
  await puller.image(REFERENCE, { platform: "linux/amd64" });

  assertEquals(calls, ["find", "expect", "find"]);
});
