import { assert, assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { parseReference } from "../../../registry/mod.ts";
import { DigestMismatchError, OciError } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { Random } from "../../../torture/random.ts";
import { noise } from "../../_support/bytes.ts";
import {
  badGateway,
  busy,
  cut,
  drop,
  extraBytes,
  type Fault,
  type FaultRule,
  faultyRegistry,
  gzipEncoded,
  ignoreRange,
  missingBytes,
  on,
  redirect,
  refuseRange,
  respond,
  signedUrls,
  stall,
  truncated,
  withHeaders,
  withStatus,
  wrongByte,
  wrongContentRange,
  wrongLength,
  wrongRange,
} from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { testClient } from "../../registry/_client.ts";

const MIB = 1024 * 1024;
const IMAGE = buildImage({ compression: "none", layers: [noise(10 * MIB, 11)] });
const [LAYER] = IMAGE.layers;
const PATH = new RegExp(LAYER?.descriptor.digest ?? "");

/** Options for {@linkcode makeScene}. */
interface SceneOptions {
  /** Number of bytes that are requested before the layer is read. */
  readonly earlyBytes?: number | undefined;
  /** Maximum number of requests at once. */
  readonly maxConnections?: number | undefined;
}

/** The image in a registry with faults, and a store to download its layer into. */
async function makeScene(
  rules: readonly FaultRule[],
  { earlyBytes, maxConnections }: SceneOptions = {},
): Promise<AsyncDisposable & { ingest(): Promise<unknown>; stored(): Promise<Uint8Array> }> {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir());
  const registry = stack.use(faultyRegistry(new MemoryContent().add("a/b", "1", IMAGE), rules));
  const client = stack.use(testClient({ stallTimeoutMs: 300, maxConnections }));
  const image = await client.image(parseReference(`${registry.host}/a/b:1`), {
    platform: "linux/amd64",
    firstReads: (layers) => {
      const reads = layers.map(({ descriptor }) => ({ descriptor, length: earlyBytes }));
      return Promise.resolve(earlyBytes === undefined ? [] : reads);
    },
  });
  const store = await ContentStore.open(directory.join("store"));
  const [layer] = image.layers;
  assert(layer !== undefined);
  const { descriptor, source } = layer;
  return {
    // Simulates a registry that is far away.
    ingest: () =>
      store.ingest(descriptor, (options) => layer.compressed(options), {
        source,
        connections: 4,
        latencyMs: 100,
      }),
    stored: async () => {
      const path = store.blobPath(descriptor.digest);
      return await exists(path) ? await Deno.readFile(path) : new Uint8Array();
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Applies a fault to one of the requests for the layer. */
function at(number: number, fault: Fault): FaultRule {
  let count = 0;
  const once: Fault = (request, next) => count++ === number ? fault(request, next) : next();
  return on({ kind: "blob", path: PATH }, once);
}

const FAULTS: readonly { readonly what: string; readonly fault: Fault }[] = [
  { what: "a connection that is cut", fault: cut(100_000) },
  { what: "a connection that is dropped", fault: drop() },
  { what: "a stall", fault: stall(100_000) },
  { what: "429 with Retry-After", fault: busy(429, 2) },
  { what: "503", fault: busy(503) },
  { what: "the page of a proxy", fault: badGateway() },
  { what: "the whole blob", fault: ignoreRange() },
  { what: "the range with status 200", fault: withStatus(200) },
  { what: "another range", fault: wrongRange(1000) },
  { what: "a range that is called another", fault: wrongContentRange(1000) },
  { what: "a range that is not named", fault: withHeaders({ "content-range": undefined }) },
  { what: "416", fault: refuseRange() },
  { what: "416 without a body", fault: respond(416) },
  { what: "400", fault: respond(400) },
  { what: "501", fault: respond(501) },
  { what: "a length that is too large", fault: wrongLength(1) },
  { what: "a length that is too small", fault: wrongLength(-1) },
  { what: "more bytes", fault: extraBytes(1000) },
  { what: "fewer bytes", fault: missingBytes(1000) },
  { what: "a truncated body", fault: truncated(1000) },
  { what: "a wrong byte", fault: wrongByte(1000) },
  { what: "compressed bytes", fault: gzipEncoded() },
  { what: "another ETag", fault: withHeaders({ etag: '"other"' }) },
];

const ANSWERS: readonly { readonly number: number; readonly which: string; earlyBytes?: number }[] =
  [
    { number: 0, which: "first" },
    { number: 2, which: "third" },
    { number: 0, which: "early", earlyBytes: MIB },
    { number: 0, which: "unwanted early", earlyBytes: MIB / 2 },
  ];

for (const { number, which, earlyBytes } of ANSWERS) {
  Deno.test.each(FAULTS)(
    `ingest() in ranges gets the right bytes if the ${which} answer is $what`,
    async ({
      fault,
    }) => {
      await using scene = await makeScene([at(number, fault)], { earlyBytes });

      await scene.ingest();

      assertEquals(await scene.stored(), LAYER?.bytes);
    },
  );
}

Deno.test("ingest() in ranges requests the blob once more if later ranges are wrong", async () => {
  const asked: (string | null)[] = [];
  const lie: Fault = (request, next) => {
    const range = request.headers.get("range");
    asked.push(range);
    return range === null || range.startsWith("bytes=0-")
      ? next()
      : wrongRange(1000)(request, next);
  };
  await using scene = await makeScene([on({ kind: "blob", path: PATH }, lie)]);

  await scene.ingest();

  assertEquals(await scene.stored(), LAYER?.bytes);
  assertEquals(asked.filter((range) => range === null).length, 1);
  // The rest is not requested as a range again.
  assertEquals(asked.at(-1), null);
});

Deno.test("ingest() in ranges stores the right bytes if a redirect expires in between", async () => {
  const signed = signedUrls();
  let count = 0;
  const expire: Fault = (_request, next) => {
    if (++count === 3) signed.expire();
    return next();
  };
  await using cdn = faultyRegistry(new MemoryContent().add("a/b", "1", IMAGE), [
    on({ kind: "blob", path: PATH }, signed.check),
    on({ kind: "blob", path: PATH }, expire),
  ]);
  await using scene = await makeScene([on({ kind: "blob", path: PATH }, signed.redirect(cdn.url))]);

  await scene.ingest();

  assertEquals(await scene.stored(), LAYER?.bytes);
});

Deno.test("ingest() in ranges stores nothing from a mirror with other bytes", async () => {
  const wrong = respond(200, {}, noise(10 * MIB, 12));
  await using cdn = faultyRegistry(new MemoryContent(), [on("blob", wrong)]);
  await using scene = await makeScene([on({ kind: "blob", path: PATH }, redirect(cdn.url))]);

  await assertRejects(() => scene.ingest(), DigestMismatchError);

  assertEquals(await scene.stored(), new Uint8Array());
});

Deno.test.each([
  { what: "takes over an early answer", earlyBytes: MIB },
  {
    what: "does not wait for the connection of an early answer that it cannot use",
    earlyBytes: MIB / 2,
  },
])("ingest() in ranges $what", async ({ earlyBytes }) => {
  const asked: (string | null)[] = [];
  const note: Fault = (request, next) => {
    asked.push(request.headers.get("range"));
    return next();
  };
  await using scene = await makeScene([on({ kind: "blob", path: PATH }, note)], {
    earlyBytes,
    maxConnections: 1,
  });

  await scene.ingest();

  assertEquals(await scene.stored(), LAYER?.bytes);
  assertEquals(asked.filter((range) => range === `bytes=0-${MIB - 1}`).length, 1);
});

for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`ingest() in ranges stores nothing but the right bytes among many faults (seed ${seed})`, async () => {
    const random = new Random(seed);
    const breaks: Fault = (request, next) => {
      if (random.chance(0.7)) return next();
      const bytes = random.below(2 * MIB);
      const faults = [
        ...FAULTS.map(({ fault }) => fault),
        // Breaks are more frequent than lies.
        ...Array.from({ length: 20 }, () => random.pick([cut(bytes), stall(bytes), stall()])),
      ];
      return random.pick(faults)(request, next);
    };
    await using scene = await makeScene([on({ kind: "blob", path: PATH }, breaks)]);
    using time = manualTime();

    const error = await time.passUntil(20, scene.ingest()).then(() => undefined, (error) => error);

    assert(error === undefined || error instanceof OciError, error);
    const expected = error === undefined ? LAYER?.bytes : new Uint8Array();
    assertEquals(await scene.stored(), expected);
  });
}
