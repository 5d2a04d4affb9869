import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, RegistryError } from "../../../registry/mod.ts";
import { type BlobRetry, digestOf } from "../../../spec/mod.ts";
import {
  cut,
  drop,
  type Fault,
  ignoreRange,
  missingBytes,
  on,
  refuseRange,
  respond,
  signedUrls,
  stall,
  withHeaders,
  withStatus,
  wrongContentRange,
  wrongRange,
} from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { FakeClock, makeScene, readAll, testClient } from "../_client.ts";

const MIB = 1024 * 1024;
type Next = Parameters<Fault>[1];

Deno.test("RemoteClient.blob() resumes after each of 64 cuts, and reads no byte twice", async () => {
  await using scene = makeScene([on("blob", cut(MIB))], { blobSize: 64 * MIB });
  const clock = new FakeClock();
  using client = testClient({ clock, retries: 1 });
  const retries: BlobRetry[] = [];

  const bytes = await readAll(
    await client.blob(scene.reference, scene.blob.descriptor, {
      onRetry: (retry) => retries.push(retry),
    }),
  );

  assertEquals(digestOf(bytes), scene.blob.descriptor.digest);
  assert(scene.registry.bytesSent("blob") <= 64 * MIB * 1.05);
  assert(retries.length >= 63 && retries.length <= 66, `${retries.length}`);
  assertEquals(retries[0]?.offset, MIB);
  assert(retries.every(({ error }) => error instanceof NetworkError));
  assertEquals(clock.pauses, []);
});

Deno.test("RemoteClient.blob() sends a strong ETag as If-Range when it resumes", async () => {
  const rule = on("blob", withHeaders({ etag: '"strong"' }));
  await using scene = makeScene([rule, on({ kind: "blob", nth: 1 }, cut(100_000))]);
  using client = testClient();

  await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  const [, second] = scene.registry.requests;
  assertEquals(second?.headers.get("range"), "bytes=100000-");
  assertEquals(second?.headers.get("if-range"), '"strong"');
});

Deno.test("RemoteClient.blob() does not send a weak ETag as If-Range", async () => {
  const rule = on("blob", withHeaders({ etag: 'W/"weak"' }));
  await using scene = makeScene([rule, on({ kind: "blob", nth: 1 }, cut(100_000))]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
  assertEquals(scene.registry.requests[1]?.headers.get("if-range"), null);
});

Deno.test.each([
  { why: "ignores ranges", fault: ignoreRange() },
  { why: "sends another range", fault: wrongRange(-7) },
  { why: "sends a later range", fault: wrongRange(7) },
  {
    why: "sends an earlier range",
    fault: async (request: Request, next: Next) => {
      const headers = new Headers(request.headers);
      headers.set("range", "bytes=0-99999");
      return await next(new Request(request, { headers }));
    },
  },
  { why: "names another range", fault: wrongContentRange(1) },
  { why: "names an earlier range of another length", fault: wrongContentRange(-5) },
  {
    why: "names another size",
    fault: withHeaders({ "content-range": "bytes 100000-299999/300001" }),
  },
  { why: "names no range", fault: withHeaders({ "content-range": undefined }) },
  { why: "sends a range as if it were the blob", fault: withStatus(200) },
  { why: "refuses ranges", fault: refuseRange() },
  { why: "refuses ranges and names the size", fault: refuseRange(300_000) },
  { why: "answers a range with 400", fault: respond(400) },
  { why: "answers a range with 501", fault: respond(501) },
])("RemoteClient.blob() starts at the right byte where the registry $why", async ({ fault }) => {
  const rules = [
    on({ kind: "blob", nth: 1 }, cut(100_000)),
    // Responses that are not a range stay unchanged.
    on("blob", async (request, next) => {
      return request.headers.has("range") ? await fault(request, next) : await next();
    }),
  ];
  await using scene = makeScene(rules);
  using client = testClient();

  const whole = await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  const rest = await readAll(
    await client.blob(scene.reference, scene.blob.descriptor, { offset: 100_000 }),
  );

  assertEquals(whole, scene.blob.bytes);
  assertEquals(rest, scene.blob.bytes.slice(100_000));
});

Deno.test.each([
  { as: "a range of it", headers: { "content-range": "bytes 0-299999/300000" } },
  { as: "a range that is not named", headers: {} },
])("RemoteClient.blob() accepts the whole blob as $as, requested or not", async ({ headers }) => {
  await using scene = makeScene([
    on("blob", withStatus(206)),
    on("blob", withHeaders(headers)),
    on("blob", ignoreRange()),
  ]);
  using client = testClient();

  const whole = await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  const rest = await readAll(
    await client.blob(scene.reference, scene.blob.descriptor, { offset: 100_000 }),
  );

  assertEquals(whole, scene.blob.bytes);
  assertEquals(rest, scene.blob.bytes.slice(100_000));
});

Deno.test("RemoteClient.blob() gives up on a blob that always ends early", async () => {
  const unknownLength = withHeaders({ "content-length": undefined });
  await using scene = makeScene([on("blob", unknownLength), on("blob", missingBytes(100))]);
  using client = testClient({ retries: 2 });
  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  const error = await assertRejects(
    () => readAll(stream),
    NetworkError,
    "received 299900 of 300000 bytes",
  );

  assertEquals(error.reason, "cut");
});

Deno.test("RemoteClient.blob() gives up after too many cuts, with growing pauses", async () => {
  await using scene = makeScene([on("blob", drop())]);
  const clock = new FakeClock();
  using client = testClient({ clock, retries: 8 });
  await client.resolve(scene.reference);
  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  const error = await assertRejects(() => readAll(stream), NetworkError, "after 9 attempts");

  assertEquals(error.attempts, 9);
  assertEquals(clock.pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

Deno.test("RemoteClient.blob() treats silence as a cut", async () => {
  using time = manualTime();
  const stalls = [1, 2].map(() => ({
    begun: Promise.withResolvers<void>(),
    ended: Promise.withResolvers<void>(),
  }));
  await using scene = makeScene([
    on({ kind: "blob", nth: 1 }, stall(100_000, stalls[0]?.begun.resolve)),
    on({ kind: "blob", nth: 2 }, stall(-1, stalls[1]?.begun.resolve)),
  ]);
  using client = testClient({ stallTimeoutMs: 1000 });
  const reasons: string[] = [];

  const stream = await client.blob(scene.reference, scene.blob.descriptor, {
    onRetry: ({ error }) => {
      stalls[reasons.length]?.ended.resolve();
      reasons.push(error instanceof NetworkError ? error.reason : "?");
    },
  });
  const reading = readAll(stream);
  for (const { begun, ended } of stalls) {
    await begun.promise;
    await time.passUntil(1000, ended.promise);
  }

  assertEquals(await reading, scene.blob.bytes);
  assertEquals(reasons, ["stalled", "stalled"]);
});

Deno.test("RemoteClient.blob() does not mistake a slow reader for a slow registry", async () => {
  using time = manualTime();
  await using scene = makeScene([], { blobSize: 8 * MIB });
  using client = testClient({ stallTimeoutMs: 1000, retries: 0 });
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  const reader = stream.getReader();
  let size = (await reader.read()).value?.length ?? 0;

  time.pass(5000);
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    size += next.value.length;
  }

  assertEquals(size, 8 * MIB);
});

Deno.test("RemoteClient.blob() returns to the registry when a signed URL has expired", async () => {
  const signed = signedUrls({ uses: 1 });
  await using cdn = makeScene([
    on("blob", signed.check),
    on({ kind: "blob", nth: [1, 2] }, cut(100_000)),
  ]);
  await using scene = makeScene([on("blob", signed.redirect(cdn.registry.url))]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
  assertEquals(scene.registry.seen("blob").length, 3);
});

Deno.test("RemoteClient.blob() requests a new URL if one of the registry's own host has expired", async () => {
  const signed = signedUrls();
  const sign = signed.redirect("{path}");
  let uses = 0;
  await using scene = makeScene([on("blob", (request, next) => {
    if (!request.url.includes("X-Amz-Signature")) return sign(request, next);
    if (++uses === 1) signed.expire();
    return signed.check(request, next);
  })]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
  assertEquals(scene.registry.seen("blob").length, 4);
});

Deno.test("RemoteClient.blob() requests a new URL twice if a storage server rejects it", async () => {
  await using cdn = makeScene([on("blob", respond(403))]);
  const signed = signedUrls();
  await using scene = makeScene([on("blob", signed.redirect(cdn.registry.url))]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  const error = await assertRejects(() => readAll(stream), RegistryError, "answered 403");

  assertEquals(scene.registry.seen("blob").length, 3);
  assert(error.url.includes("X-Amz-Signature=***"), error.url);
});
