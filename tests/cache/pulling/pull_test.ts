import {
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertMatch,
  assertRejects,
} from "@std/assert";
import { NotCachedError, pull } from "../../../cache/mod.ts";
import {
  formatReference,
  type ImageProgress,
  RemoteClient,
  type RemoteClientOptions,
} from "../../../registry/mod.ts";
import { DigestMismatchError, digestOf, LimitError, PlatformError } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  cut,
  drop,
  extraBytes,
  type Fault,
  faultyRegistry,
  ignoreRange,
  missingBytes,
  on,
  respond,
  withHeaders,
  withStatus,
  wrongByte,
  wrongRange,
} from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex, type BuiltImage, MemoryContent } from "../../_support/image.ts";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const MIB = 1024 * 1024;
const AMD64 = buildImage({ layers: [noise(300_000, 1), noise(200_000, 2)] });
const ARM64 = buildImage({ layers: [noise(300_000, 3)], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);
const PLATFORM = "linux/amd64";

Deno.test("pull() stores the bytes as served, and makes no second request", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));
  using client = quickClient();
  const options = { store: directory.path, platform: PLATFORM, client };
  const reference = `${registry.host}/a/b:1`;
  const first = await pull(reference, options);
  const requests = registry.requests.length;

  const second = await pull(reference, options);

  assertEquals([first.digest, second.digest], Array(2).fill(INDEX.descriptor.digest));
  assertEquals(registry.requests.length, requests);
  assertEquals(second.indexes[0]?.bytes, INDEX.bytes);
  assertEquals(second.manifest.bytes, AMD64.bytes);
});

Deno.test("pull() returns an image that reads its own files and knows its reference", async () => {
  await using directory = await makeTempDir();
  const built = buildImage({
    layers: [tar(dir("etc"), file("etc/os-release", "old")), tar(file("etc/os-release", "new"))],
  });
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", built));
  using client = quickClient();
  const options = { store: directory.path, client };
  const name = `${registry.host}/a/b:1`;

  const image = await pull(name, { ...options, platform: "linux/amd64" });
  const other = await pull(name, { ...options, platform: "linux/arm64" });

  const files = await image.files();
  assertEquals(formatReference(image.reference), name);
  assertEquals([image.platformMatches, other.platformMatches], [true, false]);
  assertEquals(await files.readText("/etc/os-release"), "new");
  assertEquals(await files.readText("etc/none"), undefined);
});

Deno.test("pull() with Always sends one HEAD request", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));
  using client = quickClient();
  const options = { store: directory.path, platform: PLATFORM, client };
  const reference = `${registry.host}/a/b:1`;
  await pull(reference, options);
  const before = registry.requests.length;

  await pull(reference, { ...options, pullPolicy: "Always" });

  const seen = registry.seen().slice(before).filter((request) => !request.endsWith("/v2/"));
  assertEquals(seen, ["HEAD /v2/a/b/manifests/1"]);
});

Deno.test("pull() with Always fetches the new image of a tag, and keeps shared layers", async () => {
  await using directory = await makeTempDir();
  const content = new MemoryContent().add("a/b", "1", INDEX);
  await using registry = faultyRegistry(content);
  using client = quickClient();
  const options = { store: directory.path, platform: PLATFORM, client };
  await pull(`${registry.host}/a/b:1`, options);
  const before = registry.requests.length;
  const next = buildImage({ layers: [noise(300_000, 1), noise(1000, 9)] });
  content.add("a/b", "1", next);

  const { digest } = await pull(`${registry.host}/a/b:1`, { ...options, pullPolicy: "Always" });

  assertEquals(digest, next.descriptor.digest);
  const blobs = registry.requests.slice(before).filter(({ kind }) => kind === "blob");
  assertEquals(blobs.length, 2);
});

Deno.test("pull() with Newer falls back to the store when the registry is gone", async () => {
  await using directory = await makeTempDir();
  const options = { store: directory.path, platform: PLATFORM };
  let reference: string;
  {
    await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));
    using client = quickClient();
    reference = `${registry.host}/a/b:1`;
    await pull(reference, { ...options, client });
  }
  using client = quickClient();
  const warnings: string[] = [];

  const { digest } = await pull(reference, {
    ...options,
    client,
    pullPolicy: "Newer",
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(digest, INDEX.descriptor.digest);
  assertEquals(warnings.length, 1);
  await assertRejects(() => pull(reference, { ...options, client, pullPolicy: "Always" }));
});

Deno.test("pull() with Never sends no request", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));

  await assertRejects(
    () => pull(`${registry.host}/a/b:1`, { store: directory.path, pullPolicy: "Never" }),
    NotCachedError,
  );

  assertEquals(registry.requests.length, 0);
});

Deno.test.each([
  { connections: 1 },
  { connections: 6 },
])("pull() completes a blob cut every 1 MiB over $connections connections", async (options) => {
  // On a busy machine, a connection would look stalled, and another one would take over its range.
  using _clock = stoppedClock();
  await using directory = await makeTempDir({ large: true });
  const size = 64 * MIB;
  const built = buildImage({ compression: "none", layers: [noise(size, 5)] });
  const digest = built.layers[0]?.descriptor.digest ?? built.descriptor.digest;
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", built), [
    on({ kind: "blob", path: new RegExp(digest) }, cut(MIB)),
  ]);
  using client = quickClient(options);
  const retries: number[] = [];

  await pull(`${registry.host}/a/b:1`, {
    store: directory.path,
    platform: PLATFORM,
    client,
    onProgress: (event) => event.digest === digest && retries.push(event.retries),
  });

  assertLess(registry.bytesSent("blob"), size * 1.05);
  if (options.connections === 1) assertEquals((retries.at(-1) ?? 0) >= 63, true);
});

Deno.test.each([
  { what: "a wrong byte", fault: wrongByte(1000) },
  { what: "an extra byte", fault: extraBytes() },
])("pull() refuses a layer with $what and leaves nothing visible", async ({ fault }) => {
  const error = await refusedPull(AMD64, fault);

  assertInstanceOf(error, DigestMismatchError);
  assertMatch(error.url ?? "", /^http:\/\/127\.0\.0\.1:\d+\/v2\/a\/b\/blobs\/sha256:/);
});

Deno.test.each([
  { what: "the rest as if it were the blob", fault: withStatus(200) },
  { what: "another range", fault: wrongRange(1000) },
  { what: "other bytes", fault: wrongByte(200_000) },
  { what: "more bytes", fault: extraBytes() },
  { what: "fewer bytes", fault: missingBytes() },
  { what: "a part that is not named", fault: withHeaders({ "content-range": undefined }) },
  { what: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { what: "no range", fault: respond(416) },
  { what: "404", fault: respond(404) },
  { what: "nothing", fault: drop() },
])("pull() completes a download that was cut and resumed with $what", async ({ fault }) => {
  await using directory = await makeTempDir();
  const layer = AMD64.layers[0]?.descriptor.digest;
  const request = { kind: "blob", path: new RegExp(String(layer)) } as const;
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", AMD64), [
    on({ ...request, nth: 1 }, cut(100_000)),
    on(request, async (...args) => args[0].headers.has("range") ? await fault(...args) : args[1]()),
  ]);
  using client = quickClient();
  const options = { store: directory.path, platform: PLATFORM, client };
  // It may fail, as long as its leftovers are useful.
  await pull(`${registry.host}/a/b:1`, options).catch(() => {});
  registry.heal();

  const { digest } = await pull(`${registry.host}/a/b:1`, options);

  assertEquals(digest, AMD64.descriptor.digest);
});

for (const connections of [1, 12]) {
  for (const size of [300_000, 9 * MIB]) {
    for (const rules of [[], [on("blob", ignoreRange())]]) {
      const what = `of ${size} bytes over ${connections} connections`;
      const kind = rules.length > 0 ? "sent once more" : "that are resumed";
      Deno.test(`pull() counts the bytes ${what} ${kind}`, async () => {
        await using directory = await makeTempDir();
        const built = buildImage({ compression: "none", layers: [noise(size, 5)] });
        const [layer] = built.layers;
        if (layer === undefined) throw new Error("the image has a layer");
        const content = new MemoryContent().add("a/b", "1", built);
        await using registry = faultyRegistry(content, rules);
        using client = new RemoteClient({ credentials: "none", connections });
        await Deno.mkdir(directory.join("ingest"));
        const part = directory.join(`ingest/${layer.descriptor.digest.replace(":", "-")}.part`);
        await Deno.writeFile(part, layer.bytes.subarray(0, 100_000));
        let resumed = -1;
        const onProgress = (event: ImageProgress) => {
          if (event.kind === "layer") resumed = event.resumed;
        };

        await pull(`${registry.host}/a/b:1`, {
          ...{ store: directory.path, platform: PLATFORM, client, onProgress },
        });

        assertEquals(resumed, rules.length > 0 ? 0 : 100_000);
      });
    }
  }
}

Deno.test("pull() fetches content from the registry if a mirror serves it corrupt", async () => {
  await using directory = await makeTempDir();
  const content = new MemoryContent().add("a/b", "1", AMD64);
  await using mirror = faultyRegistry(content, [on("blob", wrongByte(100_000))]);
  await using registry = faultyRegistry(content);
  using client = new RemoteClient({
    credentials: "none",
    mirrors: { [registry.host]: [mirror.url] },
  });
  const options = { store: directory.path, platform: PLATFORM, client };

  const { digest } = await pull(`${registry.host}/a/b:1`, options);

  assertEquals(digest, AMD64.descriptor.digest);
  assertEquals(registry.seen("blob").length, 2);
});

Deno.test("pull() refuses an image without the platform, and lists the available ones", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));
  using client = quickClient();
  const options = { store: directory.path, platform: "linux/s390x", client };

  const error = await assertRejects(() => pull(`${registry.host}/a/b:1`, options), PlatformError);

  assertEquals(error.available.length, 2);
});

Deno.test("pull() refuses more than 256 layers", async () => {
  const layers = Array.from({ length: 257 }, (_, i) => noise(8, i + 1));
  const error = await refusedPull(buildImage({ layers, compression: "none" }));

  assertEquals(error instanceof LimitError, true, `${error}`);
});

Deno.test("pull() uses the data embedded in a descriptor", async () => {
  await using directory = await makeTempDir();
  const tar = noise(600, 4);
  const built = buildImage({
    layers: [{ tar, compression: "none", descriptor: { data: tar.toBase64() } }],
  });
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", built));
  using client = quickClient();

  await pull(`${registry.host}/a/b:1`, { store: directory.path, platform: PLATFORM, client });

  const store = await ContentStore.open(directory.path);
  assertEquals(await store.readBlob({ digest: digestOf(tar) }), tar);
  assertEquals(registry.requests.filter(({ kind }) => kind === "blob").length, 1);
});

/** Expects a pull to fail and to leave nothing visible. Returns the error. */
async function refusedPull(built: BuiltImage, fault?: Fault): Promise<unknown> {
  await using directory = await makeTempDir();
  const digest = built.layers[0]?.descriptor.digest ?? built.descriptor.digest;
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", built));
  if (fault !== undefined) registry.add(on({ kind: "blob", path: new RegExp(digest) }, fault));
  using client = quickClient();
  const options = { store: directory.path, platform: PLATFORM, client };

  const error = await pull(`${registry.host}/a/b:1`, options).catch((error) => error);

  const store = await ContentStore.open(directory.path);
  assertEquals(await store.references(), []);
  assertEquals(await store.has(built.descriptor), false);
  assertEquals(await store.has(digest), false);
  return error;
}

/** A client that knows no credentials and does not wait between attempts. */
function quickClient(options: RemoteClientOptions = {}): RemoteClient {
  return new RemoteClient({
    credentials: "none",
    backoff: { firstMs: 1, maxMs: 2 },
    retries: 2,
    ...options,
  });
}
