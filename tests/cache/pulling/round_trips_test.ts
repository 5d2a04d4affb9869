import { assert, assertEquals, assertRejects } from "@std/assert";
import { pull, unpack } from "../../../cache/mod.ts";
import { ArtifactError, NotFoundError, parseReference } from "../../../registry/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import {
  type Fault,
  type FaultRule,
  faultyRegistry,
  ignoreRange,
  on,
  type RecordedRequest,
  respond,
  tokenAuth,
  trickle,
  wrongByte,
} from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex, type Built, MemoryContent } from "../../_support/image.ts";
import { stoppedClock } from "../../_support/stopped_clock.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { readAll, testClient } from "../../registry/_client.ts";

const MIB = 1024 * 1024;
const IMAGE = buildImage({
  layers: [noise(10_000, 1), noise(20_000, 2), noise(30_000, 3)].map((bytes) => {
    return tar(file("a", bytes));
  }),
});
const INDEX = buildIndex([IMAGE]);

/** A far registry with an index, and a store. */
async function makeScene(image: Built, rules: readonly FaultRule[] = []) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir());
  const clock = stack.use(stoppedClock());
  const far: Fault = (_request, next) => {
    clock.pass(100);
    return next();
  };
  const content = new MemoryContent().add("a/b", "1", image);
  const registry = stack.use(faultyRegistry(content, [on({}, far), ...rules]));
  const client = stack.use(testClient());
  const layers = new Set(IMAGE.layers.map(({ descriptor }) => descriptor.digest));
  const layerOf = ({ path }: Pick<RecordedRequest, "path">) => {
    return [...layers].find((digest) => path.endsWith(digest));
  };
  return {
    directory,
    registry,
    reference: `${registry.host}/a/b:1`,
    options: { store: directory.join("store"), platform: "linux/amd64", client },
    /** Returns the digest of the layer that a request is for. */
    layerOf,
    /** The layers that were requested. */
    get layers() {
      return registry.requests.flatMap((request) => layerOf(request) ?? []);
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Answers none of the first requests before all of them have arrived. */
function together(count: number): Fault {
  const { promise, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  return async (_request, next) => {
    if (++asked === count) resolve();
    await promise;
    return await next();
  };
}

const BRINGING = [
  { name: "pull", bring: pull },
  {
    name: "unpack",
    bring: (reference: string, options: { readonly store: string }) => {
      return unpack(reference, `${options.store}/../files`, options);
    },
  },
] as const;

for (const { name, bring } of BRINGING) {
  Deno.test(`${name}() of an index with token authentication takes five round trips`, async () => {
    const auth = tokenAuth();
    await using scene = await makeScene(INDEX, [
      on({}, auth.fault),
      on("blob", together(1 + IMAGE.layers.length)),
    ]);

    await bring(scene.reference, scene.options);

    const requests = scene.registry.requests.filter((request) => !scene.layerOf(request));
    // The challenge, the token, the index and the manifest. The config and the layers follow.
    assertEquals(requests.map(({ kind }) => kind), [
      ...["manifest", "token", "manifest", "manifest", "blob"],
    ]);
    assertEquals(auth.exchanges.length, 1);
    assertEquals(scene.layers.toSorted(), IMAGE.layers.map((l) => l.descriptor.digest).toSorted());
  });
}

Deno.test("pull() requests the start of a large layer while the config arrives", async () => {
  const image = buildImage({ compression: "none", layers: [noise(9 * MIB, 4)] });
  await using scene = await makeScene(image, [on("blob", together(2))]);

  const { layers: [layer] } = await pull(scene.reference, scene.options);

  const ranges = scene.registry.requests.filter(({ path }) => path.endsWith(layer?.digest ?? ""))
    .map(({ headers }) => headers.get("range"));
  assertEquals(ranges[0], `bytes=0-${MIB - 1}`);
  assertEquals(scene.registry.bytesSent("blob"), 9 * MIB + image.config.bytes.length);
});

Deno.test("pull() fetches a large layer in one response from a far registry that ignores ranges", async () => {
  const image = buildImage({ compression: "none", layers: [noise(9 * MIB, 4)] });
  await using scene = await makeScene(image, [on("blob", ignoreRange())]);

  const { layers: [layer] } = await pull(scene.reference, scene.options);

  const bytes = await new Response(await layer?.compressed()).bytes();
  assertEquals(bytes, image.layers[0]?.bytes);
  // Each request is for a range: the first answer has all bytes.
  const ranges = scene.registry.requests.filter(({ path }) => path.endsWith(layer?.digest ?? ""))
    .map(({ headers }) => headers.get("range"));
  assertEquals(ranges.includes(null), false);
});

/** Keeps three operations in step until all of them know the layers. */
const inStep = () => [on("manifest", together(3)), on("blob", together(3))];

Deno.test("several pulls of an image at once request each layer once", async () => {
  await using scene = await makeScene(IMAGE, inStep());

  await Promise.all([1, 2, 3].map(() => pull(scene.reference, scene.options)));

  assertEquals(scene.layers.toSorted(), IMAGE.layers.map((l) => l.descriptor.digest).toSorted());
});

Deno.test("unpacking an image several times at once requests each layer once", async () => {
  await using scene = await makeScene(IMAGE, inStep());

  await Promise.all([1, 2, 3].map((number) => {
    return unpack(scene.reference, scene.directory.join(`files${number}`), scene.options);
  }));

  assertEquals(scene.layers.toSorted(), IMAGE.layers.map((l) => l.descriptor.digest).toSorted());
});

Deno.test("pull() requests no layer early that is stored or partly downloaded", async () => {
  const [first, second, third] = IMAGE.layers;
  if (first === undefined || second === undefined || third === undefined) throw new Error("none");
  await using scene = await makeScene(INDEX, [on("blob", together(2))]);
  const store = await ContentStore.open(scene.options.store);
  await store.putBytes(first.descriptor, first.bytes);
  const part = `${store.path}/ingest/${second.descriptor.digest.replace(":", "-")}.part`;
  await Deno.writeFile(part, second.bytes.subarray(0, 5_000));

  await pull(scene.reference, scene.options);

  assertEquals(scene.layers, [third.descriptor.digest, second.descriptor.digest]);
  const { headers } = scene.registry.requests.at(-1) ?? {};
  assertEquals(headers?.get("range"), "bytes=5000-");
});

Deno.test("pull() of a near image requests no layer before its config", async () => {
  await using directory = await makeTempDir();
  await using registry = faultyRegistry(new MemoryContent().add("a/b", "1", INDEX));
  using client = testClient();
  using _clock = stoppedClock();

  await pull(`${registry.host}/a/b:1`, {
    store: directory.path,
    platform: "linux/amd64",
    client,
  });

  const [index, manifest, config] = registry.requests.map(({ path }) => path);
  assertEquals([index, manifest].map((path) => path?.includes("/manifests/")), [true, true]);
  assertEquals(config?.endsWith(IMAGE.config.descriptor.digest), true);
});

Deno.test("pull() drops early responses if the config is wrong, and stores nothing", async () => {
  const config = new RegExp(IMAGE.config.descriptor.digest);
  await using scene = await makeScene(INDEX, [
    on("blob", together(1 + IMAGE.layers.length)),
    on({ kind: "blob", path: config }, wrongByte(5)),
  ]);

  await assertRejects(() => pull(scene.reference, scene.options), Error, "digest");

  const store = await ContentStore.open(scene.options.store);
  assertEquals(await store.references(), []);
  assertEquals(await Promise.all(IMAGE.layers.map((l) => store.has(l.descriptor))), [
    ...[false, false, false],
  ]);
});

Deno.test("pull() requests a layer again whose early request failed", async () => {
  const [layer] = IMAGE.layers;
  const path = new RegExp(layer?.descriptor.digest ?? "");
  await using scene = await makeScene(INDEX, [
    on("blob", together(1 + IMAGE.layers.length)),
    on({ kind: "blob", path, nth: 1 }, respond(503)),
  ]);

  const image = await pull(scene.reference, scene.options);

  assertEquals(image.layers.length, 3);
  assertEquals(scene.layers.length, 4);
});

Deno.test("pull() requests a repeated layer once", async () => {
  const bytes = tar(file("a", noise(10_000, 6)));
  const image = buildImage({ layers: [bytes, bytes] });
  await using scene = await makeScene(image, [on("blob", together(2))]);

  await pull(scene.reference, scene.options);

  assertEquals(scene.registry.seen("blob").length, 2);
});

Deno.test("unpack() requests the layers that it begins with early", async () => {
  // The base is read first, because no layer is much larger than the others.
  const image = buildImage({
    layers: Array.from({ length: 12 }, (_, i) => tar(file(`${i}`, noise(10_000 + 100 * i, i)))),
  });
  await using scene = await makeScene(image, [on("blob", together(3))]);
  const directory = scene.directory.join("files");

  await unpack(scene.reference, directory, { ...scene.options, jobs: 2 });

  const early = scene.registry.seen("blob").slice(0, 3);
  const [config, first, second] = [image.config, ...image.layers].map(({ descriptor }) => {
    return early.some((path) => path.endsWith(descriptor.digest));
  });
  assertEquals([config, first, second], [true, true, true]);
  assertEquals(scene.registry.seen("blob").length, 13);
});

Deno.test("RemoteClient.image() leaves half of the connections to other requests", async () => {
  await using scene = await makeScene(IMAGE, [on("blob", together(2))]);
  using client = testClient({ maxConnections: 2 });
  const image = await client.image(parseReference(scene.reference), {
    platform: "linux/amd64",
    firstReads: (layers) => {
      return Promise.resolve(layers.slice(0, 2).map(({ descriptor }) => ({ descriptor })));
    },
  });

  for (const layer of image.layers.toReversed()) await readAll(await layer.compressed());

  assertEquals(scene.layers, [0, 2, 1].map((i) => IMAGE.layers[i]?.descriptor.digest));
});

Deno.test("RemoteClient.image() fails only after it has the first reads", async () => {
  await using scene = await makeScene(IMAGE, [on("blob", respond(404))]);
  using client = testClient();
  let isPrepared = false;
  const firstReads = async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    isPrepared = true;
    return [];
  };

  await assertRejects(() => {
    return client.image(parseReference(scene.reference), { platform: "linux/amd64", firstReads });
  }, NotFoundError);

  assert(isPrepared);
});

Deno.test("RemoteClient.image() drops early responses when its signal is aborted", async () => {
  const [layer] = IMAGE.layers;
  await using scene = await makeScene(IMAGE, [on("blob", together(2))]);
  using client = testClient();
  const controller = new AbortController();
  const image = await client.image(parseReference(scene.reference), {
    platform: "linux/amd64",
    signal: controller.signal,
    firstReads: (layers) => {
      return Promise.resolve(layers.slice(0, 1).map(({ descriptor }) => ({ descriptor })));
    },
  });

  controller.abort();

  const [remote] = image.layers;
  if (remote === undefined) throw new Error("none");
  assertEquals(await readAll(await remote.compressed()), layer?.bytes);
});

Deno.test("RemoteClient.image() does not abort a layer that is being read", async () => {
  const [layer] = IMAGE.layers;
  await using scene = await makeScene(IMAGE, [
    on("blob", together(2)),
    on({ kind: "blob", path: new RegExp(layer?.descriptor.digest ?? "") }, trickle(2_000, 1)),
  ]);
  using client = testClient();
  const controller = new AbortController();
  const image = await client.image(parseReference(scene.reference), {
    platform: "linux/amd64",
    signal: controller.signal,
    firstReads: (layers) => {
      return Promise.resolve(layers.slice(0, 1).map(({ descriptor }) => ({ descriptor })));
    },
  });
  const reader = (await image.layers[0]?.compressed())?.getReader();
  const { value } = await reader?.read() ?? {};

  controller.abort();

  let size = value?.length ?? 0;
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    size += next.value.length;
  }
  assertEquals(size, layer?.bytes.length);
});

Deno.test("pull() requests no layer of an artifact", async () => {
  const layers = [noise(10_000, 5)];
  const mediaType = "application/vnd.example.config+json";
  const { descriptor } = buildImage({ layers }).config;
  const artifact = buildImage({ layers, manifest: { config: { ...descriptor, mediaType } } });
  await using scene = await makeScene(artifact);

  await assertRejects(() => pull(scene.reference, scene.options), ArtifactError);

  assertEquals(scene.registry.seen("blob"), []);
});
