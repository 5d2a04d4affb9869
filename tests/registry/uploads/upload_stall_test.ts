import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, parseReference } from "../../../registry/mod.ts";
import { digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { serveConnections } from "../../_support/connections.ts";
import { blobOf } from "../../_support/image.ts";
import { type ManualTime, manualTime } from "../../_support/manual_time.ts";
import { pushTo } from "../../_support/push.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { readAll, testClient } from "../_client.ts";
import { type CuttingRegistry, cuttingRegistry } from "./_cutting_registry.ts";

const MIB = 1024 * 1024;

Deno.test("pushBlob() notices a server that reads only the beginning of a blob", async () => {
  using time = manualTime();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const { promise: sending, resolve: send } = Promise.withResolvers<void>();
  await using server = serveConnections(listener, async (connection) => {
    const memory = new Uint8Array(4096);
    for (;;) {
      const size = await connection.read(memory);
      if (size === null) return;
      const text = new TextDecoder().decode(memory.subarray(0, size));
      if (text.startsWith("PATCH ")) {
        send();
        return await ended;
      }
      const answer = "HTTP/1.1 202 x\r\nlocation: /upload\r\ncontent-length: 0\r\n\r\n";
      await connection.write(new TextEncoder().encode(answer));
    }
  });
  using client = testClient({ stallTimeoutMs: 1000, retries: 0 });
  // More than the system buffers for a connection.
  const chunk = new Uint8Array(MIB);
  const size = 256 * MIB;
  let sent = 0;
  let left = size / MIB;

  const failing = assertRejects(
    () =>
      client.pushBlob(
        parseReference(`${server.host}/a/b`),
        { mediaType: OCI_LAYER, digest: digestOf(chunk), size },
        () =>
          Promise.resolve(
            new ReadableStream({
              pull: (controller) =>
                left-- > 0 ? controller.enqueue(chunk.slice()) : controller.close(),
            }, { highWaterMark: 0 }),
          ),
        { onBytes: (bytes) => sent = bytes },
      ),
    NetworkError,
  );
  await sending;
  const error = await time.passUntil(1000, failing);
  end();

  assertEquals([error.reason, sent > 0, sent < size], ["stalled", true, true]);
});

Deno.test("pushBlob() does not mistake a slow source for a slow server", async () => {
  using time = manualTime();
  await using registry = writableRegistry();
  using client = testClient({ stallTimeoutMs: 1000, retries: 0 });
  const blob = blobOf(OCI_LAYER, noise(3 * MIB));

  await client.pushBlob(parseReference(`${registry.host}/a/b`), blob.descriptor, () => {
    return Promise.resolve(ReadableStream.from(slowly(blob.bytes, time)));
  });

  const stored = await readAll(await registry.content.open("a/b", blob.descriptor.digest));
  assertEquals(digestOf(stored), blob.descriptor.digest);
});

/** Yields two halves, the second one late. */
async function* slowly(bytes: Uint8Array<ArrayBuffer>, time: ManualTime) {
  const half = bytes.length / 2;
  yield bytes.slice(0, half);
  // The upload waits for this half once it has sent the first one.
  for (let turn = 0; turn < 50; turn++) {
    await new Promise((resolve) => setTimeout(resolve));
    time.pass(1000);
  }
  yield bytes.slice(half);
}

const STALLS = { stallTimeoutMs: 5000 };

/** Lets time pass only while a registry stalls, until a promise settles. */
async function passStalls<T>(
  time: ManualTime,
  registry: CuttingRegistry,
  pending: Promise<T>,
): Promise<T> {
  let isSettled = false;
  const settle = () => void (isSettled = true);
  pending.then(settle, settle);
  while (!isSettled) {
    // Slow enough for the next request to arrive within the stall timeout.
    if (registry.isStalled) time.pass(50);
    await new Promise((resolve) => setTimeout(resolve));
  }
  return await pending;
}

for (
  const { what, cutAfter, stalls } of [
    { what: "stalls after some kilobytes", cutAfter: 5000, stalls: true },
    { what: "breaks the connection after some bytes", cutAfter: 500, stalls: false },
  ]
) {
  Deno.test(`pushBlob() gives up if a registry always ${what}`, async () => {
    using time = manualTime();
    await using registry = cuttingRegistry(cutAfter, { stalls });
    const blob = blobOf(OCI_LAYER, noise(3 * MIB));

    const error = await assertRejects(
      () => passStalls(time, registry, pushTo(registry, blob, { ...STALLS, retries: 2 })),
      NetworkError,
    );

    assertEquals([error.reason === "stalled", error.attempts, registry.cuts], [stalls, 3, 3]);
  });
}

Deno.test("pushBlob() continues as long as a registry accepts a megabyte before it stalls", async () => {
  using time = manualTime();
  await using registry = cuttingRegistry(MIB, { stalls: true });
  const blob = blobOf(OCI_LAYER, noise(3 * MIB + 1));

  await passStalls(time, registry, pushTo(registry, blob, { ...STALLS, retries: 1 }));

  assertEquals(registry.blob, blob.bytes);
  assertEquals(registry.cuts, 3);
});
