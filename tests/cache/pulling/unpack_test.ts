import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { pull, unpack } from "../../../cache/mod.ts";
import { formatReference, type ImageProgress, parseReference } from "../../../registry/mod.ts";
import { DiffIdMismatchError, digestOf } from "../../../spec/mod.ts";
import { ContentStore, prune, StoreFileError } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { FakeClient } from "./_fake_client.ts";

const BUILT = buildImage({ layers: [tar(file("a", "a"))] });
const REFERENCE = parseReference("a.example/b:1");

Deno.test("unpack() fetches an image again that is pruned after it was found", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("store");
  const client = new FakeClient(BUILT);
  const options = { store, client, platform: "linux/amd64" };
  await unpack(REFERENCE, directory.join("first"), options);
  // Another process removes the image while the registry says that it has not changed.
  const resolve = client.resolve.bind(client);
  client.resolve = async () => {
    const other = await ContentStore.open(store);
    await other.untag([formatReference(REFERENCE)]);
    await prune(other);
    return await resolve(REFERENCE);
  };

  await unpack(REFERENCE, directory.join("second"), { ...options, pullPolicy: "Always" });

  assertEquals(await Deno.readTextFile(directory.join("second", "a")), "a");
  assertEquals((await (await ContentStore.open(store)).references()).length, 1);
});

Deno.test("unpack() leaves no files if the config of the image cannot be stored", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("store");
  const options = { store, client: new FakeClient(BUILT), platform: "linux/amd64" };
  const blob = `${store}/blobs/${BUILT.config.descriptor.digest.replace(":", "/")}`;
  await Deno.mkdir(blob, { recursive: true });

  const error = await assertRejects(
    () => unpack(REFERENCE, directory.join("out"), options),
    StoreFileError,
  );

  assertEquals([error.fault, error.advice], ["directory", "Remove it"]);
  assertStringIncludes(error.message, blob);
  const left = await Array.fromAsync(Deno.readDir(directory.path));
  assertEquals(left.map(({ name }) => name), ["store"]);
});

Deno.test("unpack() refuses a directory or a store without a name before it pulls", async () => {
  await using directory = await makeTempDir();
  const client = new FakeClient(BUILT);
  const store = directory.join("store");

  await assertRejects(() => unpack(REFERENCE, "", { store, client }), RangeError, '""');
  await assertRejects(
    () => unpack(REFERENCE, directory.join("out"), { store: "", client }),
    RangeError,
  );

  assertEquals(client.calls, []);
  assertEquals(await Array.fromAsync(Deno.readDir(directory.path)), []);
});

Deno.test("unpack() reports how a stored image is extracted, and then the end", async () => {
  await using directory = await makeTempDir();
  const built = buildImage({ layers: [tar(file("a", noise(60_000, 1))), tar(file("b", "b"))] });
  const client = new FakeClient(built);
  const options = { store: directory.join("store"), client, platform: "linux/amd64" };
  const { layers } = await pull(REFERENCE, options);
  const events: ImageProgress[] = [];

  await unpack(REFERENCE, directory.join("out"), {
    ...options,
    onProgress: (event) => events.push(event),
  });

  const total = layers.reduce((sum, { size }) => sum + size, 0);
  const totals = events.filter(({ kind }) => kind === "total");
  const [first, last] = [totals[0], totals.at(-1)];
  assertEquals([first?.phase, first?.bytes, first?.total], ["extract", 0, total]);
  assertEquals([last?.phase, last?.bytes, last?.total], ["done", total, total]);
  const done = events.filter(({ kind, phase }) => kind === "layer" && phase === "done");
  assertEquals(
    new Map(done.map(({ digest, bytes }) => [digest, bytes])),
    new Map(layers.map(({ digest, size }) => [digest, size])),
  );
  assertEquals(done.length, layers.length);
  assertEquals(events.every(({ cached }) => cached), true);
});

Deno.test("unpack() reports that layers which have been fetched are still extracted", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("store");
  const phases: string[] = [];

  await unpack(REFERENCE, directory.join("out"), {
    store,
    client: new FakeClient(BUILT),
    platform: "linux/amd64",
    onProgress: ({ kind, phase }) => phases.push(`${kind} ${phase}`),
  });

  const fetched = phases.lastIndexOf("layer done");
  assertEquals(phases.slice(fetched), [
    ...["layer done", "total fetch", "total extract", "total done"],
  ]);
});

Deno.test("unpack() reports how a stored image is flattened", async () => {
  await using directory = await makeTempDir();
  const built = buildImage({ layers: [tar(file("d/a", noise(500_000)))] });
  const store = directory.join("store");
  const options = { store, client: new FakeClient(built), platform: "linux/amd64" };
  await pull(REFERENCE, options);
  const events: ImageProgress[] = [];

  await unpack(REFERENCE, directory.join("out"), {
    ...options,
    strip: 1,
    onProgress: (event) => events.push(event),
  });

  const size = built.layers[0]?.descriptor.size ?? 0;
  const [first] = events.filter(({ kind, phase }) => kind === "layer" && phase === "extract");
  assertEquals([first?.total, (first?.bytes ?? 0) > 0, (first?.bytes ?? size) < size], [
    ...[size, true, true],
  ]);
  assertEquals(events.at(-1)?.phase, "done");
});

Deno.test("unpack() does not report a stored layer as done whose DiffID is wrong", async () => {
  await using directory = await makeTempDir();
  const diffId = digestOf(new Uint8Array(1));
  const built = buildImage({ layers: [{ tar: tar(file("a", "a")), diffId }] });
  const client = new FakeClient(built);
  const options = { store: directory.join("store"), client, platform: "linux/amd64" };
  await pull(REFERENCE, options);
  const events: ImageProgress[] = [];

  await assertRejects(
    () =>
      unpack(REFERENCE, directory.join("out"), {
        ...options,
        onProgress: (event) => events.push(event),
      }),
    DiffIdMismatchError,
  );

  assertEquals(events.filter(({ phase }) => phase === "done"), []);
});
