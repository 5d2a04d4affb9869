import { assert, assertEquals, assertRejects } from "@std/assert";
import { NotFoundError } from "../../../registry/mod.ts";
import { digestOf } from "../../../spec/mod.ts";
import { busy, on, stall } from "../../_support/faulty_registry.ts";
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
