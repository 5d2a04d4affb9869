import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RemoteClient, serveRegistry } from "../../../registry/mod.ts";
import { digestOf, OCI_INDEX, OCI_MANIFEST } from "../../../spec/mod.ts";
import { ContentStore, ProxyRegistryContent } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  jsonBlob,
  MemoryContent,
  nestedIndex,
  putBlobs,
  withBlobs,
} from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

const IMAGE = buildImage({ layers: [noise(900_000, 1)], compression: "none" });
const INDEX = buildIndex([IMAGE, buildImage({ platform: "linux/arm64", layers: [noise(99, 2)] })]);
const SBOM = buildArtifact({ artifactType: "application/spdx+json", subject: IMAGE.descriptor });
const LAYER = IMAGE.layers[0] ?? IMAGE;
const { digest } = IMAGE.descriptor;

/** Fetches a path below `/v2` of the proxy, whole. */
type Get = (path: string, init?: RequestInit) => Promise<{ status: number; bytes: Uint8Array }>;

interface Proxied extends AsyncDisposable {
  readonly get: Get;
  readonly store: ContentStore;
  readonly content: MemoryContent;
  /** Requests that the upstream registry received: `GET /v2/…`. */
  readonly requests: string[];
  readonly warnings: string[];
  /** Resolves with the first warning, which may come after the response. */
  readonly warning: Promise<string>;
  readonly upstream: string;
  /** Stops the upstream registry. */
  stopUpstream(): Promise<void>;
}

async function setUp(prefix?: string): Promise<Proxied> {
  await using stack = new AsyncDisposableStack();
  const requests: string[] = [];
  const warnings: string[] = [];
  const { promise: warning, resolve: warned } = Promise.withResolvers<string>();
  const content = new MemoryContent().add("team/app", "v1", IMAGE).add("team/app", "all", INDEX)
    .add("team/app", undefined, SBOM);
  const origin = stack.use(
    await serveRegistry(content, {
      onRequest: ({ method, path }) => requests.push(`${method} ${path}`),
    }),
  );
  const directory = stack.use(await makeTempDir({ large: true }));
  const store = await ContentStore.open(directory.path);
  const client = stack.use(new RemoteClient({ credentials: "none", retries: 0 }));
  const registry = origin.host;
  const onWarning = (message: string) => {
    warnings.push(message);
    warned(message);
  };
  const proxied = new ProxyRegistryContent(store, client, { registry, prefix }, { onWarning });
  const proxy = stack.use(await serveRegistry(proxied));
  const owned = stack.move();
  return {
    store,
    content,
    requests,
    warnings,
    warning,
    upstream: origin.host,
    get: async (path, init) => {
      const response = await fetch(`${proxy.url}/v2${path}`, init);
      return { status: response.status, bytes: await response.bytes() };
    },
    stopUpstream: async () => await origin[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Fetches a complete image. */
async function pull({ get }: Proxied, reference = "v1"): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (const path of [`manifests/${reference}`, ...IMAGE.layers.map(blob), blob(IMAGE.config)]) {
    statuses.push((await get(`/team/app/${path}`)).status);
  }
  return statuses;
}

function blob({ descriptor }: Pick<typeof LAYER, "descriptor">): string {
  return `blobs/${descriptor.digest}`;
}

Deno.test("ProxyRegistryContent fetches content once, and names the image when it is complete", async () => {
  await using proxied = await setUp();
  const { get, store, requests, upstream } = proxied;
  const name = `${upstream}/team/app:v1`;

  const manifest = await get("/team/app/manifests/v1");
  const before = await store.resolve(name);
  const layer = await get(`/team/app/${blob(LAYER)}`);
  await get(`/team/app/${blob(IMAGE.config)}`);
  const count = requests.length;
  const again = await pull(proxied);

  assertEquals(manifest.bytes, IMAGE.bytes);
  assertEquals(layer.bytes, LAYER.bytes);
  assertEquals(before, undefined);
  assertEquals((await store.resolve(name))?.digest, digest);
  assertEquals(again, [200, 200, 200]);
  // A tag may have moved.
  assertEquals(requests.slice(count), ["HEAD /v2/team/app/manifests/v1"]);
});

Deno.test("ProxyRegistryContent names an image whose layer another process stored", async () => {
  await using proxied = await setUp();
  const { get, store, upstream } = proxied;

  await get("/team/app/manifests/v1");
  await store.putBytes(LAYER.descriptor, LAYER.bytes);
  await get(`/team/app/${blob(LAYER)}`);
  await get(`/team/app/${blob(IMAGE.config)}`);

  assertEquals((await store.resolve(`${upstream}/team/app:v1`))?.digest, digest);
});

Deno.test("ProxyRegistryContent names an index when one of its images is complete", async () => {
  await using proxied = await setUp();
  const { get, store, upstream } = proxied;

  await get("/team/app/manifests/all");
  await pull(proxied, digest);

  assertEquals(
    (await store.resolve(`${upstream}/team/app:all`))?.digest,
    INDEX.descriptor.digest,
  );
});

Deno.test("ProxyRegistryContent serves stored content when upstream is unavailable", async () => {
  await using proxied = await setUp();
  await pull(proxied);
  await proxied.stopUpstream();

  const statuses = await pull(proxied);
  const tags = await proxied.get("/team/app/tags/list");
  const other = await proxied.get("/team/app/manifests/other");

  assertEquals(statuses, [200, 200, 200]);
  assertEquals(JSON.parse(new TextDecoder().decode(tags.bytes)).tags, ["v1"]);
  assertEquals(other.status, 502);
  assert(proxied.warnings.length > 0);
});

Deno.test("ProxyRegistryContent serves a range of a blob, and stores the whole blob", async () => {
  await using proxied = await setUp();
  const { get, store } = proxied;
  await get("/team/app/manifests/v1");

  const part = await get(`/team/app/${blob(LAYER)}`, {
    headers: { range: "bytes=600000-800000" },
  });

  assertEquals(part.status, 206);
  assertEquals(part.bytes, LAYER.bytes.slice(600_000, 800_001));
  assertEquals(await store.readBlob(LAYER.descriptor), LAYER.bytes);
});

Deno.test("ProxyRegistryContent fetches a blob once for several clients", async () => {
  await using proxied = await setUp();
  const { get, requests } = proxied;
  await get("/team/app/manifests/v1");

  const all = await Promise.all(
    Array.from({ length: 5 }, () => get(`/team/app/${blob(LAYER)}`)),
  );

  for (const { bytes } of all) assertEquals(bytes, LAYER.bytes);
  assertEquals(requests.filter((request) => request.includes(blob(LAYER))).length, 1);
});

Deno.test("ProxyRegistryContent serves the blobs of a manifest that a client already has", async () => {
  await using proxied = await setUp();
  const { get } = proxied;
  await get("/team/app/manifests/v1", { method: "HEAD" });

  assertEquals((await get(`/team/app/${blob(LAYER)}`)).bytes, LAYER.bytes);
});

Deno.test("ProxyRegistryContent never completes a corrupt blob", async () => {
  await using proxied = await setUp();
  const { get, content, store, warning } = proxied;
  const { descriptor } = LAYER;
  content.addBlob("team/app", { descriptor, bytes: noise(descriptor.size, 7) });
  await get("/team/app/manifests/v1");

  await assertRejects(() => get(`/team/app/${blob(LAYER)}`));

  assertMatch(await warning, /digest/);
  assertEquals(await store.has(descriptor), false);
});

Deno.test("ProxyRegistryContent serves no other content of the store", async () => {
  await using proxied = await setUp();
  const { get, store } = proxied;
  const bytes = noise(100, 8);
  const secret = { mediaType: "x", digest: digestOf(bytes), size: bytes.length };
  await store.putBytes(secret, bytes);

  const statuses = [
    (await get(`/team/app/blobs/${secret.digest}`)).status,
    (await get("/team/none/manifests/v1")).status,
    (await get("/team/app/blobs/uploads/", { method: "POST" })).status,
  ];

  assertEquals(statuses, [404, 404, 405]);
});

Deno.test("ProxyRegistryContent serves tags and referrers of upstream, and adds a prefix to names", async () => {
  await using proxied = await setUp("team");
  const { get, upstream, store } = proxied;
  const json = async (path: string) =>
    JSON.parse(new TextDecoder().decode((await get(path)).bytes));

  const { tags } = await json("/app/tags/list");
  const { manifests } = await json(`/app/referrers/${digest}`);
  const signature = await get(`/app/manifests/${SBOM.descriptor.digest}`);
  for (const path of ["manifests/v1", blob(LAYER), blob(IMAGE.config)]) await get(`/app/${path}`);

  assertEquals(tags, ["all", "v1"]);
  assertEquals(manifests.map((item: { digest: string }) => item.digest), [SBOM.descriptor.digest]);
  assertEquals(signature.bytes, SBOM.bytes);
  assertEquals((await store.resolve(`${upstream}/team/app:v1`))?.digest, digest);
  assertEquals(await json("/_catalog"), { repositories: ["app"] });
});

Deno.test("ProxyRegistryContent names an image of indexes that list the same content many times", async () => {
  await using proxied = await setUp();
  const nested = nestedIndex(8, IMAGE, 40);
  proxied.content.add("team/app", "nested", nested);

  assertEquals((await proxied.get("/team/app/manifests/nested")).status, 200);
  for (
    const { digest, mediaType } of [...nested.blobs.values()].map(({ descriptor }) => descriptor)
      .reverse()
  ) {
    const kind = mediaType === OCI_INDEX || mediaType === OCI_MANIFEST ? "manifests" : "blobs";
    assertEquals((await proxied.get(`/team/app/${kind}/${digest}`)).status, 200);
  }

  const stored = await proxied.store.resolve(`${proxied.upstream}/team/app:nested`);
  assertEquals(stored?.digest, nested.descriptor.digest);
});

Deno.test("ProxyRegistryContent serves no image of another registry whose path names upstream", async () => {
  await using proxied = await setUp();
  const other = buildImage({ layers: [noise(99, 3)] });
  await putBlobs(proxied.store, other);
  const path = `${proxied.upstream.replace(":", "_")}/team/app`;
  for (const tag of ["v1", "other"]) {
    await proxied.store.tag(`localhost/${path}:${tag}`, other.descriptor);
  }
  await proxied.stopUpstream();

  const { digest } = other.descriptor;
  for (const reference of ["v1", "other", digest]) {
    assertEquals((await proxied.get(`/team/app/manifests/${reference}`)).status, 502);
  }
  assertEquals(
    (await proxied.get(`/team/app/blobs/${other.config.descriptor.digest}`)).status,
    502,
  );
  assertEquals((await proxied.get(`/team/app/tags/list`)).status, 502);
  assertEquals(
    new TextDecoder().decode((await proxied.get("/_catalog")).bytes),
    '{"repositories":[]}',
  );
});

Deno.test("ProxyRegistryContent serves no stored content that upstream references but lacks", async () => {
  await using proxied = await setUp();
  const secret = buildImage({ layers: [noise(99, 4)] });
  await putBlobs(proxied.store, secret);
  await proxied.store.tag("private.example/app:1", secret.descriptor);
  // A manifest and an index that reference content that the upstream registry does not have.
  const thief = jsonBlob(OCI_MANIFEST, {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: secret.config.descriptor,
    layers: secret.layers.map(({ descriptor }) => descriptor),
    annotations: { a: "b" },
  });
  const index = buildIndex([secret]);
  proxied.content.add("team/app", "thief", withBlobs(thief, []));
  proxied.content.add("team/app", "index", withBlobs(index, []));

  for (const tag of ["thief", "index"]) {
    assertEquals((await proxied.get(`/team/app/manifests/${tag}`)).status, 200);
  }
  for (const { descriptor: { digest } } of [secret.config, ...secret.layers]) {
    assertEquals((await proxied.get(`/team/app/blobs/${digest}`)).status, 404);
  }
  const path = `/team/app/manifests/${secret.descriptor.digest}`;
  assertEquals((await proxied.get(path)).status, 502);
});

Deno.test("ProxyRegistryContent asks upstream once for content stored under another name", async () => {
  await using proxied = await setUp();
  await putBlobs(proxied.store, IMAGE);

  assertEquals(new Set([...await pull(proxied), ...await pull(proxied)]), new Set([200]));

  const path = `/v2/team/app/blobs/${LAYER.descriptor.digest}`;
  assertEquals(proxied.requests.filter((request) => request.endsWith(path)), [`HEAD ${path}`]);
});
