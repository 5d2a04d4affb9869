import { assert, assertEquals, assertRejects } from "@std/assert";
import { mirrorEndpoint } from "../../../registry/endpoints/_endpoint.ts";
import {
  type CredentialStore,
  NetworkError,
  NotFoundError,
  parseReference,
  type Repository,
} from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import {
  basicAuth,
  busy,
  cut,
  drop,
  extraBytes,
  missingBytes,
  on,
  respond,
  stall,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import { buildArtifact } from "../../_support/image.ts";
import { manualTime } from "../../_support/manual_time.ts";
import {
  AMD64,
  FakeClock,
  makeScene,
  pullAll,
  readAll,
  type Scene,
  testClient,
} from "../_client.ts";

/** Returns the option for mirrors of a registry. */
function mirrored(upstream: Scene, ...mirrors: readonly string[]) {
  return { mirrors: { [upstream.registry.host]: mirrors } };
}

Deno.test("RemoteClient sends requests to a mirror first", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));

  await client.resolve(upstream.reference);
  await pullAll(client, upstream);

  assertEquals(upstream.registry.requests.length, 0);
  assertEquals(mirror.registry.requests.length, 5);
});

Deno.test("RemoteClient prefixes repository names with the path of a mirror", async () => {
  await using mirror = makeScene([
    on({}, async (request, next) => {
      const url = request.url.replace("/v2/proxy/hub/", "/v2/");
      return url === request.url ? await respond(404)(request, next) : await next(new Request(url));
    }),
  ]);
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, `${mirror.registry.url}/proxy/hub/`));

  assertEquals((await client.resolve(upstream.reference)).digest, mirror.image.descriptor.digest);
  assertEquals(mirror.registry.seen(), ["HEAD /v2/proxy/hub/a/b/manifests/v1"]);
});

Deno.test("RemoteClient tries the next mirror, and finally the registry", async () => {
  await using broken = makeScene([on({}, respond(500))]);
  await using empty = makeScene([on({}, respond(404))]);
  await using upstream = makeScene();
  const warnings: string[] = [];
  const clock = new FakeClock();
  using client = testClient({
    ...mirrored(upstream, broken.registry.url, empty.registry.url),
    clock,
    onWarning: (message) => warnings.push(message),
  });

  await client.document(upstream.reference);
  await client.document(upstream.reference);
  const before = broken.registry.requests.length;
  clock.time += 61_000;
  await client.document(upstream.reference);

  assertEquals(before, 2, "one retry, and no further request");
  assertEquals(broken.registry.requests.length, 4);
  assertEquals(upstream.registry.requests.length, 3);
  assertEquals(empty.registry.requests.length, 3, "it responds, and may have other content");
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.startsWith(`Skipping the mirror ${broken.registry.host}: `));
});

Deno.test.each([
  { why: "pages", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { why: "other bytes", fault: wrongByte(10) },
  { why: "fewer bytes", fault: missingBytes() },
  { why: "more bytes", fault: extraBytes() },
  { why: "nothing", fault: respond(200) },
  { why: "404", fault: respond(404) },
  { why: "401", fault: respond(401) },
  { why: "500", fault: respond(500) },
  { why: "a redirect to itself", fault: respond(302, { location: "?" }) },
  { why: "no answer", fault: drop() },
])("RemoteClient skips a mirror that sends $why", async ({ why, fault }) => {
  await using mirror = makeScene([on({}, fault)]);
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));

  const image = await client.image(upstream.reference, AMD64);
  const blob = client.blob(upstream.reference, upstream.blob.descriptor);

  assertEquals(image.digest, upstream.image.descriptor.digest);
  assertEquals(await readAll(await blob), upstream.blob.bytes);
  assertEquals(mirror.registry.seen("blob").length, why === "404" ? 2 : 0);
});

Deno.test.each([
  { why: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { why: "fewer bytes", fault: missingBytes() },
  { why: "more bytes", fault: extraBytes() },
  { why: "another range", fault: respond(206, { "content-range": "bytes 7-8/9" }) },
])("RemoteClient.blob() skips a mirror that sends $why", async ({ fault }) => {
  await using mirror = makeScene([on("blob", fault)]);
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));

  const bytes = await readAll(await client.blob(upstream.reference, upstream.blob.descriptor));

  assertEquals(bytes, upstream.blob.bytes);
});

Deno.test.each([429, 503] as const)(
  "RemoteClient does not wait for a mirror that answers %i",
  async (status) => {
    await using mirror = makeScene([on({}, busy(status, 20))]);
    await using upstream = makeScene();
    const clock = new FakeClock();
    using client = testClient({ ...mirrored(upstream, mirror.registry.url), clock });

    await client.document(upstream.reference);

    assertEquals(clock.pauses, []);
    assertEquals(mirror.registry.requests.length, 1);
  },
);

Deno.test("RemoteClient sends one request to a silent mirror", async () => {
  using time = manualTime();
  const [requested, gaveUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using mirror = makeScene([on({}, stall(-1, requested.resolve))]);
  await using upstream = makeScene();
  using client = testClient({
    ...mirrored(upstream, mirror.registry.url),
    stallTimeoutMs: 1000,
    onRequest: ({ error }) => error === undefined || gaveUp.resolve(),
  });

  const reading = client.document(upstream.reference);
  await requested.promise;
  await time.passUntil(1000, gaveUp.promise);
  await reading;

  assertEquals(mirror.registry.requests.length, 1);
});

Deno.test.each(["docker.io", "Docker.io/", "index.docker.io", "https://index.docker.io/v1/"])(
  "RemoteClient knows a registry by the name %s",
  async (name) => {
    await using mirror = makeScene();
    mirror.content.add("library/alpine", "latest", mirror.image);
    using client = testClient({ mirrors: { [name]: [mirror.registry.url] } });

    const { digest } = await client.resolve(parseReference("alpine"));

    assertEquals(digest, mirror.image.descriptor.digest);
  },
);

Deno.test("RemoteClient fails if a mirror sends other bytes for a digest in the reference", async () => {
  await using mirror = makeScene([on({}, wrongByte(10))]);
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));
  const { digest } = upstream.image.descriptor;
  const reference = { ...upstream.reference, digest };

  await assertRejects(() => client.document(reference), DigestMismatchError);
  await assertRejects(() => client.image(reference, AMD64), DigestMismatchError);

  assertEquals(upstream.registry.requests.length, 0);
});

Deno.test("RemoteClient resumes a blob at the next source where a mirror stopped", async () => {
  await using mirror = makeScene([
    on({ kind: "blob", nth: 1 }, cut(100_000)),
    on({ kind: "blob", nth: 2 }, respond(404)),
  ]);
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));

  const bytes = await readAll(await client.blob(upstream.reference, upstream.blob.descriptor));

  assertEquals(bytes, upstream.blob.bytes);
  assertEquals(upstream.registry.bytesSent("blob"), 200_000);
});

Deno.test("RemoteClient reports the response of the registry if no mirror has the content", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  using client = testClient(mirrored(upstream, mirror.registry.url));
  const reference = { ...upstream.reference, tag: "gone" };

  const error = await assertRejects(() => client.document(reference), NotFoundError);

  assert(error.url.startsWith(upstream.registry.url), error.url);
});

Deno.test("RemoteClient looks up the credential of a mirror, and does not send it the registry's", async () => {
  await using mirror = makeScene([on({}, basicAuth({ mirror: "m" }))]);
  await using upstream = makeScene();
  const asked: Repository[] = [];
  const credentials: CredentialStore = {
    find(repository) {
      asked.push({ ...repository });
      const auth = { username: "mirror", password: "m" };
      return Promise.resolve({ auth, source: "test" });
    },
  };
  using client = testClient({ ...mirrored(upstream, mirror.registry.url), credentials });

  await client.resolve(upstream.reference, { auth: { username: "me", password: "upstream" } });

  assertEquals(asked, [{ registry: mirror.registry.host, repository: "a/b" }]);
  const sent = mirror.registry.requests.map(({ headers }) => headers.get("authorization"));
  assertEquals(sent, [null, `Basic ${btoa("mirror:m")}`]);
});

Deno.test("RemoteClient skips mirrors for a document to write, and for a tag of a push target", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene([on({ method: "HEAD" }, respond(405))]);
  using client = testClient(mirrored(upstream, mirror.registry.url));
  const { reference, image: { descriptor } } = upstream;

  const found = await client.findTag(reference, "v1", { isPushTarget: true });
  const missing = await client.findTag(reference, "v9", { isPushTarget: true });
  const document = await client.document(reference, { skipMirrors: true });

  assertEquals([found, missing, document.descriptor], [descriptor, undefined, descriptor]);
  assertEquals(mirror.registry.requests.length, 0);
});

Deno.test("RemoteClient lists the tags of the registry, not those of a mirror", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  upstream.content.add("a/b", "v2", upstream.image);
  using client = testClient(mirrored(upstream, mirror.registry.url));

  assertEquals(await Array.fromAsync(client.tags(upstream.reference)), ["v1", "v2"]);
});

Deno.test.each([
  { address: "https://m.example", base: "https://m.example/", prefix: "" },
  { address: "https://m.example/", base: "https://m.example/", prefix: "" },
  { address: "http://m.example:5000/v2/", base: "http://m.example:5000/", prefix: "" },
  { address: "https://m.example/v2/hub", base: "https://m.example/", prefix: "hub/" },
  { address: "https://m.example/a/b/", base: "https://m.example/", prefix: "a/b/" },
])("mirrorEndpoint() reads $address", ({ address, base, prefix }) => {
  const endpoint = mirrorEndpoint(address, false);

  assertEquals(endpoint.bases.map(({ href }) => href), [base]);
  assertEquals(endpoint.prefix, prefix);
});

Deno.test.each<{ mirrors: Record<string, string[]>; says: string }>([
  {
    mirrors: { "docker.io": ["https://me:s3cret@m.example"] },
    says: "must not contain a password",
  },
  { mirrors: { "docker.io/library": ["https://m.example"] }, says: "must be a registry" },
])("RemoteClient refuses a mirror that $says", async ({ mirrors, says }) => {
  using client = testClient({ mirrors });

  const error = await assertRejects(
    () => client.resolve(parseReference("alpine")),
    TypeError,
    says,
  );

  assert(!error.message.includes("s3cret"));
});

Deno.test.each(["m.example", "ftp://m.example", ""])(
  "RemoteClient refuses the mirror %s",
  async (address) => {
    using client = testClient({ mirrors: { "docker.io": [address] } });

    await assertRejects(
      () => client.resolve(parseReference("alpine")),
      TypeError,
      "as a mirror",
    );
  },
);

Deno.test("referrers() uses the list of a mirror only if it may, while the registry is unreachable", async () => {
  await using mirror = makeScene();
  const { descriptor } = mirror.image;
  const referrer = buildArtifact({ artifactType: "a/b", subject: descriptor });
  mirror.content.add("a/b", "referrer", referrer);
  const upstream = makeScene();
  await upstream[Symbol.asyncDispose]();
  using client = testClient({ ...mirrored(upstream, mirror.registry.url), retries: 0 });
  const subject = { ...upstream.reference, digest: descriptor.digest };

  const found = await client.referrers(subject);

  assertEquals(found.map(({ digest }) => digest), [referrer.descriptor.digest]);
  await assertRejects(() => client.referrers(subject, { skipMirrors: true }), NetworkError);
});
