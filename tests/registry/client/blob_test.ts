import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import {
  NetworkError,
  NotFoundError,
  RegistryError,
  RepositoryContent,
} from "../../../registry/mod.ts";
import { type BlobRetry, DigestMismatchError, digestOf } from "../../../spec/mod.ts";
import {
  busy,
  cut,
  drop,
  extraBytes,
  gzipEncoded,
  ignoreRange,
  missingBytes,
  on,
  refuseRange,
  respond,
  signedUrls,
  stall,
  withHeaders,
  withStatus,
  wrongByte,
  wrongContentRange,
  wrongRange,
} from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { FakeClock, makeScene, readAll, testClient } from "../_client.ts";

const MIB = 1024 * 1024;

Deno.test.each([0, 1, 65_536, 299_999, 300_000])(
  "RemoteClient.blob() begins at byte %i",
  async (offset) => {
    await using scene = makeScene();
    using client = testClient();

    const stream = await client.blob(scene.reference, scene.blob.descriptor, { offset });

    assertEquals(await readAll(stream), scene.blob.bytes.slice(offset));
  },
);

Deno.test.each([-1, 0.5, 300_001, NaN])("RemoteClient.blob() refuses offset %d", async (offset) => {
  await using scene = makeScene();
  using client = testClient();

  await assertRejects(
    () => client.blob(scene.reference, scene.blob.descriptor, { offset }),
    RangeError,
    '"offset"',
  );
});

Deno.test("RemoteClient.blob() frees the memory of each chunk when the next is read", async () => {
  await using scene = makeScene();
  using client = testClient();
  const chunks: Uint8Array[] = [];
  const [used, copies]: [number[], Uint8Array<ArrayBuffer>[]] = [[], []];

  const stream = await client.blob(scene.reference, scene.blob.descriptor, { freeMemory: true });
  for await (const chunk of stream) {
    copies.push(chunk.slice());
    chunks.push(chunk);
    used.push(chunks.reduce((sum, { buffer }) => sum + buffer.byteLength, 0));
  }

  assertEquals(await new Blob(copies).bytes(), scene.blob.bytes);
  assert(used.length > 2 && new Set(used).size === 1, `${used}`);
});

Deno.test("RemoteClient.blob() sends no request before it is read or after it is canceled", async () => {
  await using scene = makeScene();
  using client = testClient();

  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  await stream.cancel();

  assertEquals(scene.registry.seen(), []);
});

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
  { why: "names another range", fault: wrongContentRange(1) },
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

Deno.test("RemoteClient.blob() decodes a content coding, even when it resumes a blob", async () => {
  await using scene = makeScene([
    on({ kind: "blob", nth: 1 }, cut(100_000)),
    on("blob", gzipEncoded()),
  ]);
  using client = testClient();

  const bytes = await readAll(
    await client.blob(scene.reference, scene.blob.descriptor, { offset: 50_000 }),
  );

  assertEquals(bytes, scene.blob.bytes.slice(50_000));
});

Deno.test("RemoteClient.blob() ignores a content coding if the length is that of the blob", async () => {
  await using scene = makeScene([on("blob", withHeaders({ "content-encoding": "gzip" }))]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() accepts bytes with an unknown coding unchanged", async () => {
  const coded = withHeaders({ "content-encoding": "aws-chunked", "content-length": undefined });
  await using scene = makeScene([on("blob", coded)]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() creates no decoders for thousands of codings", async () => {
  const coding = Array(6000).fill("gzip").join();
  const coded = withHeaders({ "content-encoding": coding, "content-length": undefined });
  await using scene = makeScene([on("blob", coded)]);
  using client = testClient();

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient.blob() never yields more than the blob", async () => {
  await using scene = makeScene([
    on("blob", extraBytes(1)),
    on("blob", withHeaders({ "content-length": undefined })),
  ]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  let size = 0;

  const error = await assertRejects(async () => {
    for await (const chunk of stream) size += chunk.length;
  }, DigestMismatchError);

  assert(error.size > 300_000);
  assert(size <= 300_000);
});

Deno.test.each([{ why: "longer", fault: extraBytes() }, { why: "shorter", fault: missingBytes() }])(
  "RemoteClient.blob() fails at once if the blob is $why",
  async ({ fault }) => {
    await using scene = makeScene([on("blob", fault)]);
    using client = testClient();
    const stream = await client.blob(scene.reference, scene.blob.descriptor);

    await assertRejects(() => readAll(stream), DigestMismatchError);
    assertEquals(scene.registry.requests.length, 1);
  },
);

Deno.test("RemoteClient.blob() fails in place of the last bytes if the digest is wrong", async () => {
  await using scene = makeScene([on("blob", wrongByte(7))]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  let size = 0;

  const error = await assertRejects(async () => {
    for await (const chunk of stream) size += chunk.length;
  }, DigestMismatchError);

  assert(size < 300_000);
  assertEquals(error.expected, scene.blob.descriptor.digest);
  assertMatch(error.source ?? "", /^http:.*\/blobs\//);
  assertEquals(scene.registry.requests.length, 1);
});

Deno.test("RemoteClient.blob() fails if a mirror serves other bytes, and can read them again elsewhere", async () => {
  await using scene = makeScene();
  await using mirror = makeScene([on("blob", wrongByte(7))]);
  const { registry } = scene.reference;
  using client = testClient({ mirrors: { [registry]: [`http://${mirror.reference.registry}`] } });
  const read = async (again: boolean) => {
    return await readAll(await client.blob(scene.reference, scene.blob.descriptor, { again }));
  };

  await assertRejects(() => read(false), DigestMismatchError);

  assertEquals(await read(true), scene.blob.bytes);
});

Deno.test.each([{ raw: true }, { offset: 1 }])(
  "RemoteClient.blob() does not verify the digest of a read with %o",
  async (options) => {
    await using scene = makeScene([on("blob", wrongByte(7))]);
    using client = testClient();

    const stream = await client.blob(scene.reference, scene.blob.descriptor, options);

    const bytes = await readAll(stream);
    assertEquals(bytes.length, 300_000 - (options.offset ?? 0));
    assertNotEquals(bytes, scene.blob.bytes.slice(options.offset));
  },
);

Deno.test("RemoteLayer.compressed() verifies a layer unless the read is raw", async () => {
  await using scene = makeScene([
    on("blob", (request, next) => {
      const isConfig = request.url.endsWith(scene.image.config.descriptor.digest);
      return isConfig ? next() : wrongByte(7)(request, next);
    }),
  ]);
  using client = testClient();
  const { layers: [layer] } = await client.image(scene.reference, { platform: "linux/amd64" });

  assert(layer !== undefined);
  await assertRejects(async () => readAll(await layer.compressed()), DigestMismatchError);
  const { length } = await readAll(await layer.compressed({ raw: true }));
  assertEquals(length, layer.descriptor.size);
});

Deno.test("RepositoryContent.fetch() verifies a blob unless the read is raw", async () => {
  await using scene = makeScene([on("blob", wrongByte(7))]);
  using client = testClient();
  const content = new RepositoryContent(client, scene.reference);
  const { descriptor } = scene.blob;

  await assertRejects(async () => readAll(await content.fetch(descriptor)), DigestMismatchError);
  assertEquals((await readAll(await content.fetch(descriptor, { raw: true }))).length, 300_000);
});

Deno.test.each([
  { what: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { what: "nothing", fault: respond(200) },
])("RemoteClient.blob() retries after $what in place of the blob", async ({ fault }) => {
  await using scene = makeScene([on({ kind: "blob", nth: [1, 2] }, fault)]);
  using client = testClient();

  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  assertEquals(await readAll(stream), scene.blob.bytes);
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

Deno.test("RemoteClient.blob() reuses the memory of a chunk only if allowed", async () => {
  await using scene = makeScene([], { blobSize: 2 * MIB });
  using client = testClient();
  const read = async (reuseMemory: boolean) => {
    const stream = await client.blob(scene.reference, scene.blob.descriptor, { reuseMemory });
    const copies: Uint8Array<ArrayBuffer>[] = [];
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) {
      copies.push(chunk.slice());
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(await new Blob(copies).arrayBuffer());
    assertEquals(bytes, scene.blob.bytes);
    const buffers = chunks.map(({ buffer }) => buffer).filter(({ byteLength }) => byteLength > 0);
    return new Set(buffers).size / chunks.length;
  };

  assertEquals(await read(false), 1);
  assert(await read(true) < 1);
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

Deno.test("RemoteClient.blob() reports a missing blob", async () => {
  await using scene = makeScene();
  using client = testClient();
  const digest = digestOf(new Uint8Array(1));
  const stream = await client.blob(scene.reference, { ...scene.blob.descriptor, digest });

  const error = await assertRejects(() => readAll(stream), NotFoundError, digest);

  assertEquals(error.registryCode, "BLOB_UNKNOWN");
});

Deno.test("RemoteClient.blob() tries 16 URLs of a descriptor at most, and none with a password", async () => {
  await using scene = makeScene();
  const warnings: string[] = [];
  using client = testClient({ onWarning: (message) => warnings.push(message) });
  const { descriptor, bytes } = scene.blob;
  const addresses = Array.from({ length: 15 }, (_, i) => `http://files.example/${i}`);
  const urls = ["https://:secret@files.example/", ...addresses, "https://last.example/"];

  const stream = await client.blob(scene.reference, { ...descriptor, urls });

  assertEquals(await readAll(stream), bytes);
  const skipped = warnings.filter((text) => text.includes("only public HTTPS servers are allowed"));
  assertEquals([skipped.length, warnings.length], [16, 17]);
  assert(warnings.includes(`Skipping all but the first 16 URLs of ${descriptor.digest}`));
  assert(warnings.every((text) => !text.includes("secret")));
});

Deno.test("RemoteClient.blob() uses the data in the descriptor", async () => {
  await using scene = makeScene();
  using client = testClient();
  const bytes = new TextEncoder().encode("hello");
  const descriptor = {
    mediaType: "text/plain",
    digest: digestOf(bytes),
    size: 5,
    data: bytes.toBase64(),
  };

  const stream = await client.blob(scene.reference, descriptor, { offset: 1 });

  assertEquals(await new Response(stream).text(), "ello");
  assertEquals(scene.registry.seen(), []);
});

Deno.test("RemoteClient.blob() rejects with the signal's reason in any state", async (t) => {
  for (const [where, fault] of [["a stall", stall(1000)], ["a pause", busy(503, 60)]] as const) {
    await t.step(where, async () => {
      await using scene = makeScene([on("blob", fault)]);
      const controller = new AbortController();
      const reason = new Error("enough");
      const clock = new FakeClock();
      clock.sleep = (_, signal) =>
        new Promise((_, reject) => {
          signal?.addEventListener("abort", () => reject(signal.reason));
          controller.abort(reason);
        });
      using client = testClient({ clock, stallTimeoutMs: 10_000 });
      const { signal } = controller;
      const stream = await client.blob(scene.reference, scene.blob.descriptor, { signal });
      const reader = stream.getReader();

      const error = await assertRejects(async () => {
        await reader.read();
        controller.abort(reason);
        await reader.read();
      });

      assertEquals(error, reason);
    });
  }
});

Deno.test("RemoteClient.blob() ends the transfer when the stream is canceled", async () => {
  await using scene = makeScene([on("blob", stall(1000))]);
  using client = testClient({ stallTimeoutMs: 10_000, maxConnections: 1 });
  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  const reader = stream.getReader();
  await reader.read();

  await reader.cancel();

  // The slot is free again.
  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient.blob() ends the transfer if onAnswer throws", async () => {
  await using scene = makeScene();
  using client = testClient({ maxConnections: 1 });
  const stream = await client.blob(scene.reference, scene.blob.descriptor, {
    length: 10,
    onAnswer: () => {
      throw new Error("the disk is full");
    },
  });

  await assertRejects(() => readAll(stream), Error, "the disk is full");

  // The slot is free again.
  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient.blob() does not exceed maxConnections", async () => {
  let active = 0;
  let most = 0;
  const second = Promise.withResolvers<void>();
  await using scene = makeScene([
    on("blob", async (_, next) => {
      most = Math.max(most, ++active);
      if (most === 2) second.resolve();
      const answer = await next();
      await second.promise;
      // Surplus requests would arrive meanwhile.
      for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve));
      active--;
      return answer;
    }),
  ], { blobSize: 10 });
  using client = testClient({ maxConnections: 2 });

  await Promise.all(Array.from({ length: 10 }, async () => {
    return await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  }));

  assertEquals(most, 2);
});

Deno.test("RemoteClient.blob() requests the `urls` of a layer only if they are public and https", async () => {
  await using elsewhere = makeScene();
  await using scene = makeScene();
  using client = testClient();
  const warnings: string[] = [];
  const digest = digestOf(new Uint8Array(2));
  const urls = [
    `${elsewhere.registry.url}/layer?sig=secret`,
    "https://169.254.169.254/layer",
    "file:///x",
  ];

  const stream = await client.blob(
    scene.reference,
    { ...scene.blob.descriptor, digest, urls },
    { onWarning: (message) => warnings.push(message) },
  );
  await assertRejects(() => readAll(stream), NotFoundError);

  assertEquals(elsewhere.registry.requests.length, 0);
  assertEquals(warnings.length, 3);
  assert(!warnings.join().includes("secret"));
});
