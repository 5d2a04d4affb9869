import { assertEquals } from "@std/assert";
import type { BlobAnswer, BlobReadOptions } from "../../../spec/mod.ts";
import {
  type Fault,
  ignoreRange,
  on,
  plain,
  redirect,
  signedUrls,
  wrongRange,
} from "../../_support/faulty_registry.ts";
import { makeScene, readAll, testClient } from "../_client.ts";

/** The ranges of the requests for blobs. */
function rangesOf(requests: readonly { readonly kind: string; readonly headers: Headers }[]) {
  return requests.filter(({ kind }) => kind === "blob").map(({ headers }) => headers.get("range"));
}

Deno.test("RemoteClient.blob() reads part of a blob with one range request", async () => {
  await using scene = makeScene();
  using client = testClient();
  const answers: BlobAnswer[] = [];

  const stream = await client.blob(scene.reference, scene.blob.descriptor, {
    offset: 1000,
    length: 5000,
    onAnswer: (answer) => answers.push(answer),
  });

  assertEquals(await readAll(stream), scene.blob.bytes.slice(1000, 6000));
  assertEquals(answers.map(({ isPartial }) => isPartial), [true]);
  assertEquals(rangesOf(scene.registry.requests), ["bytes=1000-5999"]);
});

const refuseRanges: Fault = (request, next) => {
  return request.headers.has("range") ? plain(400) : next();
};

Deno.test.each([
  { name: "ignores ranges", fault: ignoreRange() },
  { name: "answers with another range", fault: wrongRange(7) },
  { name: "refuses requests for ranges", fault: refuseRanges },
])("RemoteClient.blob() reads to the end where a server $name", async ({ fault }) => {
  await using scene = makeScene([on("blob", fault)]);
  using client = testClient();
  const answers: BlobAnswer[] = [];

  const stream = await client.blob(scene.reference, scene.blob.descriptor, {
    length: 5000,
    onAnswer: (answer) => answers.push(answer),
  });

  assertEquals(await readAll(stream), scene.blob.bytes);
  // The client reports the wrong range first, and then the response with the whole blob.
  assertEquals(new Set(answers.map(({ isPartial }) => isPartial)), new Set([false]));
});

Deno.test("RemoteLayer.compressed() resolves the redirect once for all ranges", async () => {
  await using cdn = makeScene();
  await using scene = makeScene([on("blob", redirect(cdn.registry.url))]);
  using client = testClient();
  const { layers: [layer] } = await client.image(scene.reference);
  const before = scene.registry.seen("blob").length;

  await readRanges(layer, [0, 10, 20]);

  assertEquals(scene.registry.seen("blob").length - before, 1);
  assertEquals(rangesOf(cdn.registry.requests).slice(-3), [
    "bytes=0-9",
    "bytes=10-19",
    "bytes=20-29",
  ]);
});

Deno.test("RemoteLayer.compressed() resolves the redirect again when its target has expired", async () => {
  const signed = signedUrls();
  await using cdn = makeScene([on("blob", signed.check)]);
  await using scene = makeScene([on("blob", signed.redirect(cdn.registry.url))]);
  using client = testClient();
  const { layers: [layer] } = await client.image(scene.reference);
  const before = scene.registry.seen("blob").length;
  await readRanges(layer, [0, 10]);

  signed.expire();
  await readRanges(layer, [20, 30]);

  assertEquals(scene.registry.seen("blob").length - before, 2);
});

interface Layer {
  compressed(options?: BlobReadOptions): Promise<ReadableStream<Uint8Array<ArrayBuffer>>>;
}

async function readRanges(layer: Layer | undefined, offsets: readonly number[]): Promise<void> {
  for (const offset of offsets) {
    const stream = await layer?.compressed({ offset, length: 10 }) ?? new Blob().stream();
    assertEquals((await readAll(stream)).length, 10);
  }
}
