import { assert, assertEquals, assertRejects } from "@std/assert";
import { registryEndpoint } from "../../../registry/endpoints/_endpoint.ts";
import {
  BlockedRegistryError,
  type CredentialStore,
  NotFoundError,
  parseReference,
  parseRegistriesConf,
  RegistriesConfError,
} from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import {
  basicAuth,
  type FaultRule,
  on,
  respond,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import { AMD64, makeScene, pullAll, readAll, type Scene, testClient } from "../_client.ts";

/** A rule for a registry, and its mirrors. */
function ruleOf(
  { registry }: Scene,
  settings: string,
  ...mirrors: readonly string[]
): ReturnType<typeof parseRegistriesConf> {
  const tables = mirrors.map((settings) => `[[registry.mirror]]\n${settings}\n`).join("");
  return parseRegistriesConf(`[[registry]]\nprefix = "${registry.host}"\n${settings}\n${tables}`);
}

/** The setting for the location of a registry. */
function locationOf({ registry }: Scene, path = ""): string {
  return `location = "${registry.host}${path}"`;
}

Deno.test("RemoteClient reads an image from the mirror of a file", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, "", locationOf(mirror)) });

  await client.resolve(upstream.reference);
  await pullAll(client, upstream);

  assertEquals(upstream.registry.requests.length, 0);
  assertEquals(mirror.registry.requests.length, 5);
});

Deno.test("RemoteClient reads the rules again after a failure", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  let reads = 0;
  using client = testClient({
    registries: () => {
      if (reads++ === 0) return Promise.reject(new TypeError("out of descriptors"));
      return Promise.resolve(ruleOf(upstream, "", locationOf(mirror)));
    },
  });

  await assertRejects(() => client.resolve(upstream.reference), TypeError, "out of descriptors");
  await client.resolve(upstream.reference);

  assertEquals([upstream, mirror].map(({ registry }) => registry.requests.length), [0, 1]);
});

Deno.test.each<{ why: string; rules: readonly FaultRule[] }>([
  { why: "fails", rules: [on({}, respond(500))] },
  { why: "lacks the image", rules: [on({}, respond(404))] },
  { why: "requires a login", rules: [on({}, basicAuth({ u: "p" }))] },
])("RemoteClient reads from the registry if the mirror of a file $why", async ({ rules }) => {
  await using mirror = makeScene(rules);
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, "", locationOf(mirror)) });

  const { digest } = await client.image(upstream.reference, AMD64);

  assertEquals(digest, upstream.image.descriptor.digest);
  assert(mirror.registry.requests.length > 0);
});

Deno.test("RemoteClient fails if a mirror of a file serves other bytes for a digest", async () => {
  await using mirror = makeScene([on("manifest", wrongByte(10))]);
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, "", locationOf(mirror)) });
  const { digest } = upstream.image.descriptor;

  await assertRejects(
    () => client.document({ ...upstream.reference, digest }),
    DigestMismatchError,
  );

  assertEquals(upstream.registry.requests.length, 0);
});

Deno.test.each([
  { use: "digest-only", byTag: 0, byDigest: 1 },
  { use: "tag-only", byTag: 1, byDigest: 0 },
  { use: "all", byTag: 1, byDigest: 1 },
])("RemoteClient uses a mirror with pull-from-mirror = $use", async ({ use, byTag, byDigest }) => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  const settings = `${locationOf(mirror)}\npull-from-mirror = "${use}"`;
  using client = testClient({ registries: ruleOf(upstream, "", settings) });

  await client.document(upstream.reference);
  const seenByTag = mirror.registry.requests.length;
  await client.document({ ...upstream.reference, digest: upstream.image.descriptor.digest });

  assertEquals(seenByTag, byTag);
  assertEquals(mirror.registry.requests.length - seenByTag, byDigest);
  assertEquals(upstream.registry.requests.length, 2 - byTag - byDigest);
});

Deno.test("RemoteClient reads images, tags and blobs from another location", async () => {
  await using other = makeScene();
  await using upstream = makeScene();
  const { host } = upstream.registry;
  const registries = parseRegistriesConf(
    `[[registry]]\nprefix = "${host}/x/y"\nlocation = "${other.registry.host}/a"`,
  );
  using client = testClient({ registries });
  const reference = parseReference(`${host}/x/y/b:v1`);

  const image = await client.image(reference, AMD64);
  const tags = await Array.fromAsync(client.tags(reference));
  const blob = await readAll(await client.blob(reference, other.blob.descriptor));

  assertEquals(image.digest, other.image.descriptor.digest);
  assertEquals([tags, blob], [["v1"], other.blob.bytes]);
  assertEquals(upstream.registry.requests.length, 0);
  assert(other.registry.seen().every((line) => line.includes("/v2/a/b/")));
});

Deno.test("RemoteClient looks for tags and blobs of a source in another location", async () => {
  await using other = makeScene([on({ method: "HEAD", path: /manifests/ }, respond(405))]);
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, locationOf(other)) });
  const { reference, image, blob } = upstream;

  const found = await client.findTag(reference, "v1");
  const layer = await client.findBlob(reference, blob.descriptor.digest);

  assertEquals(found, image.descriptor);
  assertEquals(layer?.size, blob.descriptor.size);
  assertEquals(upstream.registry.requests.length, 0);
});

Deno.test("RemoteClient refuses a location that leaves no name", async () => {
  await using upstream = makeScene();
  const { host } = upstream.registry;
  const registries = parseRegistriesConf(
    `[[registry]]\nprefix = "${host}/a"\nlocation = "other.example"`,
    { file: "/r.conf" },
  );
  using client = testClient({ registries });

  await assertRejects(
    () => client.resolve(parseReference(`${host}/a:1`)),
    RegistriesConfError,
    'the location "other.example"',
  );
});

Deno.test("RemoteClient reads and writes nothing that a file blocks", async () => {
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, "blocked = true") });
  const { reference, blob } = upstream;
  const { descriptor } = upstream.image;
  const bytes = new Uint8Array();

  for (
    const access of [
      () => client.image(reference, AMD64),
      () => client.blob(reference, blob.descriptor),
      () => Array.fromAsync(client.tags(reference)),
      () => client.referrers({ ...reference, digest: descriptor.digest }),
      () => client.pushManifest(reference, descriptor, bytes),
      () => client.delete(reference, "v1"),
      () => client.endpoints(reference),
      () => client.checkCredential(reference.registry, { username: "u", password: "p" }),
    ] as readonly (() => Promise<unknown>)[]
  ) {
    await assertRejects(access, BlockedRegistryError, " blocks ");
  }
  assertEquals(upstream.registry.requests.length, 0);
  const listing = Array.fromAsync(client.tags(reference));
  const { registry, repository } = reference;
  await assertRejects(() => listing, BlockedRegistryError, `"${registry}/${repository}"`);
});

Deno.test("RemoteClient writes to the registry itself, not to another location", async () => {
  await using other = makeScene();
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, locationOf(other)) });

  await client.hasBlob(upstream.reference, upstream.blob.descriptor);
  await client.resolve(upstream.reference);

  assertEquals(upstream.registry.seen().map((line) => line.split(" ")[0]), ["HEAD"]);
  assertEquals(other.registry.seen(), ["HEAD /v2/a/b/manifests/v1"]);
});

Deno.test("RemoteClient sends each place only its own credential", async () => {
  await using mirror = makeScene([on({}, basicAuth({ mirror: "1" }))]);
  await using other = makeScene([on({}, basicAuth({ other: "2" }))]);
  await using upstream = makeScene();
  const found: string[] = [];
  const credentials: CredentialStore = {
    find: ({ registry, repository }) => {
      found.push(`${registry}/${repository}`);
      const [username, password] = registry === mirror.registry.host
        ? ["mirror", "wrong"]
        : ["other", "2"];
      return Promise.resolve({ auth: { username, password }, source: "the test" });
    },
  };
  const registries = ruleOf(upstream, locationOf(other), locationOf(mirror));
  using client = testClient({ registries, credentials });

  await client.document(upstream.reference, { auth: { username: "home", password: "3" } });

  assertEquals(
    new Set(found),
    new Set([`${mirror.registry.host}/a/b`, `${other.registry.host}/a/b`]),
  );
});

Deno.test("RemoteClient prefers explicit mirrors to those of a file", async () => {
  await using mirror = makeScene();
  await using explicit = makeScene();
  await using upstream = makeScene();
  using client = testClient({
    registries: ruleOf(upstream, "", locationOf(mirror)),
    mirrors: { [upstream.registry.host]: [explicit.registry.url] },
  });

  await client.document(upstream.reference);

  assertEquals(explicit.registry.requests.length, 1);
  assertEquals(mirror.registry.requests.length, 0);
});

Deno.test("RemoteClient reads the files once, and only when a registry is used", async () => {
  await using upstream = makeScene();
  let calls = 0;
  const registries = () => {
    calls++;
    return Promise.resolve(ruleOf(upstream, ""));
  };
  using client = testClient({ registries });
  const before = calls;

  await Promise.all([client.resolve(upstream.reference), client.resolve(upstream.reference)]);

  assertEquals([before, calls], [0, 1]);
});

Deno.test("RemoteClient lists the places of a file for a tag and for a digest", async () => {
  using client = testClient({
    registries: parseRegistriesConf(`
      [[registry]]
      location = "a.io"
      [[registry.mirror]]
      location = "m.io/x"
      pull-from-mirror = "digest-only"
    `),
  });
  const urls = async (name: string) => {
    return (await client.endpoints(parseReference(name))).map(({ url }) => url);
  };

  assertEquals(await urls("a.io/b:1"), ["https://a.io/v2/b"]);
  assertEquals(await urls(`a.io/b@sha256:${"0".repeat(64)}`), [
    "https://m.io/v2/x/b",
    "https://a.io/v2/b",
  ]);
});

Deno.test.each<{
  plainHttp: boolean | readonly string[] | undefined;
  isInsecure: boolean;
  bases: readonly string[];
}>([
  { plainHttp: undefined, isInsecure: false, bases: ["https://a.io"] },
  { plainHttp: undefined, isInsecure: true, bases: ["https://a.io", "http://a.io"] },
  { plainHttp: false, isInsecure: true, bases: ["https://a.io"] },
  { plainHttp: true, isInsecure: true, bases: ["http://a.io"] },
  { plainHttp: ["a.io"], isInsecure: true, bases: ["http://a.io"] },
  { plainHttp: ["b.io"], isInsecure: true, bases: ["https://a.io", "http://a.io"] },
])("registryEndpoint() allows HTTP with $plainHttp and insecure = $isInsecure", (row) => {
  const { plainHttp, isInsecure, bases } = row;
  const endpoint = registryEndpoint("a.io", { plainHttp, isInsecure, allowPrivate: false });

  assertEquals(endpoint.bases.map(({ origin }) => origin), [...bases]);
});

Deno.test("RemoteClient reports where a file says to look for missing content", async () => {
  await using other = makeScene();
  await using upstream = makeScene();
  using client = testClient({ registries: ruleOf(upstream, locationOf(other)) });

  const error = await assertRejects(
    () => client.document({ ...upstream.reference, tag: "none" }),
    NotFoundError,
  );

  assertEquals(error.registry, other.registry.host);
});
