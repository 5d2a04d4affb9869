import { assertEquals, assertRejects } from "@std/assert";
import { prepare, pull } from "../../../cache/mod.ts";
import { type ImageProgress, RemoteClient } from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { ContentStore, OverlayBundler } from "../../../store/mod.ts";
import { findKernelMounter } from "../../../store/overlay/find_mounter.ts";
import { noise } from "../../_support/bytes.ts";
import { type FaultRule, faultyRegistry, on, wrongByte } from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, hardlink, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { overlayReason } from "../../store/bundles/_bundling.ts";

const overlayTest = testUnless(await overlayReason());
const PLATFORM = "linux/amd64";
const BASE = tar(dir("etc"), file("etc/old", "old"), file("etc/kept", "kept"));

/** Enough bytes to use worker threads: smaller images are extracted in this thread. */
const LARGE = noise(6_000_000, 1);

overlayTest.each([
  { where: "this thread", extra: [] },
  { where: "threads", extra: [file("large", LARGE)] },
])("prepare() extracts layers in $where as they arrive, each fetched once", async ({ extra }) => {
  await using scene = await makeScene([
    BASE,
    tar(whiteout("etc/old"), file("etc/new", "new"), ...extra),
    // This layer depends on its parents, so it is extracted over them, from the store.
    tar(hardlink("etc/linked", "etc/kept")),
  ]);

  const image = await prepare(scene.reference, scene.options);

  const blobs = scene.registry.seen("blob");
  assertEquals(blobs.length, new Set(blobs).size);
  const store = await ContentStore.open(scene.options.store);
  const requests = scene.registry.requests.length;
  await using bundle = await new OverlayBundler(store).bundle(image, "x");
  const names = await namesIn(`${bundle.path}/rootfs/etc`);
  assertEquals(names, ["kept", "linked", "new"]);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/etc/linked`), "kept");
  assertEquals(scene.registry.requests.length, requests);
});

overlayTest(
  "prepare() begins a layer again if the leftovers of an earlier run are wrong",
  async () => {
    await using scene = await makeScene([tar(dir("etc"), file("etc/large", LARGE))]);
    const { descriptor } = scene.layers[0] ?? {};
    await Deno.mkdir(`${scene.options.store}/ingest`, { recursive: true });
    const wrong = tar(dir("wrong"), file("wrong/file", noise(1_000_000, 2)));
    await Deno.writeFile(
      `${scene.options.store}/ingest/${descriptor?.digest.replace(":", "-")}.part`,
      wrong.subarray(0, 1_000_000),
    );

    const image = await prepare(scene.reference, scene.options);

    const store = await ContentStore.open(scene.options.store);
    await using bundle = await new OverlayBundler(store).bundle(image, "x");
    const names = await namesIn(`${bundle.path}/rootfs`);
    assertEquals(names, ["etc"]);
    assertEquals(await Deno.readFile(`${bundle.path}/rootfs/etc/large`), LARGE);
  },
);

overlayTest("prepare() leaves neither blob nor layer if a byte is wrong", async () => {
  await using scene = await makeScene([tar(file("large", LARGE))], [
    on("blob", wrongByte(5_000_000)),
  ]);

  await assertRejects(() => prepare(scene.reference, scene.options), DigestMismatchError);

  const store = await ContentStore.open(scene.options.store);
  assertEquals(await store.references(), []);
  assertEquals(await namesIn(`${scene.options.store}/chains`), []);
});

overlayTest("prepare() also reports a layer that is already extracted", async () => {
  await using scene = await makeScene([BASE, tar(file("a", "a"))]);
  const first = await prepare(scene.reference, scene.options);
  await Deno.remove(`${scene.options.store}/blobs/sha256`, { recursive: true });
  const events: ImageProgress[] = [];

  await prepare(scene.reference, { ...scene.options, onProgress: (event) => events.push(event) });

  const done = events.filter(({ digest, phase }) => digest !== undefined && phase === "done");
  assertEquals(
    done.map(({ digest }) => digest).sort(),
    first.layers.map(({ digest }) => digest as string | undefined).sort(),
  );
  const last = events.at(-1);
  assertEquals([last?.phase, last?.bytes], ["done", last?.total]);
});

overlayTest("prepare() reports a prepared image as done and extracts nothing", async () => {
  await using scene = await makeScene([BASE, tar(file("a", "a"))]);
  const mounter = await findKernelMounter(scene.options.store);
  if (typeof mounter === "string") throw new Error(mounter);
  const events: ImageProgress[] = [];
  const onProgress = (event: ImageProgress) => events.push(event);
  const options = { ...scene.options, mounter, onProgress };
  await pull(scene.reference, scene.options);

  await prepare(scene.reference, options);
  const first = events.splice(0).map(({ phase }) => phase);
  await prepare(scene.reference, options);

  assertEquals([first[0], first.at(-1)], ["extract", "done"]);
  assertEquals(events.map(({ kind, phase }) => [kind, phase]), [
    ["layer", "done"],
    ["layer", "done"],
    ["total", "done"],
  ]);
});

async function makeScene(layers: readonly Uint8Array<ArrayBuffer>[], faults: FaultRule[] = []) {
  await using resources = new AsyncDisposableStack();
  const directory = resources.use(await makeTempDir());
  const built = buildImage({ layers, config: { Cmd: ["/bin/true"] } });
  const registry = resources.use(
    faultyRegistry(new MemoryContent().add("a/b", "1", built), faults),
  );
  const client = resources.use(new RemoteClient({ credentials: "none", retries: 0 }));
  const kept = resources.move();
  return {
    registry,
    layers: built.layers,
    reference: `${registry.host}/a/b:1`,
    options: { store: directory.path, platform: PLATFORM, client },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
