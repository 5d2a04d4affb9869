import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExtractError } from "../../../layer/mod.ts";
import {
  DiffIdMismatchError,
  type Digest,
  DigestMismatchError,
  LimitError,
} from "../../../spec/mod.ts";
import type { UnpackImageOptions } from "../../../store/mod.ts";
import type { LayerSink } from "../../../store/threads/layer_sink.ts";
import type { StagingResult } from "../../../store/threads/layer_staging.ts";
import { LayerThreads } from "../../../store/threads/layer_threads.ts";
import { stageLayers } from "../../../store/unpacking/_stage_layers.ts";
import "../../_support/native_backend.ts";
import { rotBlob } from "../../_support/rot.ts";
import { rootTest } from "../../_support/skip.ts";
import { dir, file, hardlink, noise, tar } from "../../_support/tar.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import {
  type FakeLayer,
  fakeLayers,
  makeUnpackBox,
  stacked,
  type UnpackBox,
} from "./_unpack_box.ts";

/** Opens the threads for a test. */
type OpenThreads = () => LayerThreads;

/** Unpacks with threads, however small the image is. */
async function unpackWith(
  threads: LayerThreads,
  { store, root }: UnpackBox,
  layers: readonly FakeLayer[],
  options: UnpackImageOptions = {},
): Promise<void> {
  await Deno.mkdir(root);
  await stageLayers(store, { layers }, { work: root, options, threads }, options);
}

const OVERLAY = { xattrs: { "user.overlay.opaque": "y", "trusted.overlay.redirect": "/d" } };
const STACKS = [
  ...NAMED_STACKS,
  {
    name: "attributes of the overlay file system",
    layers: [
      tar(dir("d", OVERLAY), file("f")),
      tar(dir("d"), dir("e", OVERLAY), file("f", "", OVERLAY)),
      tar(dir("d", OVERLAY), file("d/f"), dir("d")),
    ],
  },
  ...Array.from({ length: 8 }, (_, seed) => randomStack(seed)),
];

/** More than fits into the memory between two threads. */
const LARGE = tar(dir("d"), file("d/noise", noise(3_000_000)), file("last", "x"));

/** Parts of layers with a wrong byte, which may or may not prevent their extraction. */
const WRONG_PARTS = [
  { of: "content of the base", index: 0, at: 99_000 },
  { of: "compression of the base", index: 0, at: 11 },
  { of: "content of a layer", index: 1, at: 99_000 },
  { of: "compression of a layer", index: 1, at: 11 },
];

const THREADS: Readonly<Record<string, OpenThreads>> = {
  "in this thread": () => new LayerThreads(0),
  "in two threads": () => new LayerThreads(2),
  "each layer in two threads": () => new LayerThreads(2, { from: 0, relay: "thread" }),
  "each layer in this thread and another": () => new LayerThreads(1, { from: 0, relay: "here" }),
};

Deno.test("unpackImage() stops in the middle of a stored layer", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([tar(file("f", "f"))]);
  const controller = new AbortController();
  const reason = new Error("interrupted");
  const stopped = Promise.withResolvers<never>();
  // Like a sink in a thread, which only stops when it is disposed of.
  const sink: LayerSink<StagingResult> = {
    position: 0,
    write() {},
    close() {
      queueMicrotask(() => controller.abort(reason));
      return stopped.promise;
    },
    restart: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => {
      stopped.reject(new Error("Cannot continue the layer: its sink was closed"));
      return Promise.resolve();
    },
  };
  const threads = {
    openStage: () => Promise.resolve(sink),
    merge: () => Promise.reject(new Error("nothing to merge")),
  };

  const unpacked = assertRejects(() => {
    const staging = { work: box.root, options: {}, threads };
    return stageLayers(box.store, { layers }, staging, { signal: controller.signal });
  });

  assertEquals(await unpacked, reason);
});

for (const [where, open] of Object.entries(THREADS)) {
  // Starting a thread takes longer than unpacking such an image, so the tests share threads.
  const threads = open();
  Deno.test.afterAll(() => threads[Symbol.dispose]());

  rootTest(
    `layers extracted in parallel ${where} equal those extracted one after the other`,
    async (t) => {
      for (const { name, layers } of STACKS) {
        await t.step(name, async () => {
          await using box = await makeUnpackBox();

          await unpackWith(threads, box, fakeLayers(layers, { chunkSize: 700 }));

          assertEquals(describeTree(readTree(`${box.root}/0`)), await stacked(layers));
        });
      }
    },
  );

  Deno.test(`unpacking ${where} keeps the layers in the store for the next time`, async () => {
    await using box = await makeUnpackBox();
    const layers = fakeLayers([LARGE, tar(file("e", "1"))]);
    await unpackWith(threads, box, layers);

    await Deno.remove(box.root, { recursive: true });
    await unpackWith(threads, box, layers);

    assertEquals((await box.stored()).parts, []);
    assertEquals(layers.map(({ offsets }) => offsets.length), [1, 1]);
    assertEquals((await Deno.stat(`${box.root}/0/d/noise`)).size, 3_000_000);
  });

  for (const at of [11, 40_000]) {
    Deno.test(`unpacking ${where} rejects a layer whose byte ${at} is wrong`, async () => {
      await using box = await makeUnpackBox();
      const layers = fakeLayers([LARGE], { bytes: (layer) => layer.bytes.with(at, 0xff) });

      await assertRejects(() => unpackWith(threads, box, layers), DigestMismatchError);

      assertEquals(await box.stored(), { blobs: [], parts: [] });
    });
  }

  for (const { of, index, at } of WRONG_PARTS) {
    Deno.test(`unpackImage() ${where} detects damage on disk: ${of}`, async () => {
      await using box = await makeUnpackBox();
      const layers = fakeLayers([LARGE, tar(file("e", noise(300_000)))]);
      await unpackWith(threads, box, layers);
      await Deno.remove(box.root, { recursive: true });
      const { descriptor } = layers[index] as FakeLayer;
      await rotBlob(box.store, descriptor.digest, at);

      const error = await assertRejects(
        () => unpackWith(threads, box, layers),
        DigestMismatchError,
      );

      assertEquals(error.expected, descriptor.digest);
      assertEquals(error.source, `"${box.store.blobPath(descriptor.digest)}"`);
      await assertRejects(() => box.store.verify(descriptor), DigestMismatchError);
    });
  }

  Deno.test(`unpacking ${where} rejects a layer with a wrong DiffID`, async () => {
    await using box = await makeUnpackBox();
    const diffId: Digest = `sha256:${"0".repeat(64)}`;
    const layers = fakeLayers([tar(file("a", "x")), { tar: tar(file("b", "y")), diffId }]);

    const error = await assertRejects(() => unpackWith(threads, box, layers), DiffIdMismatchError);

    assertEquals(error.expected, diffId);
    const digest = layers[1]?.descriptor.digest;
    assertEquals(error.layer, digest);
    assert(digest !== undefined && !(await box.stored()).blobs.includes(digest));
  });

  Deno.test(`unpacking ${where} names the layer and the entry that is wrong`, async () => {
    await using box = await makeUnpackBox();
    const layers = fakeLayers([tar(file("a", "x")), tar(hardlink("b", "nowhere"))]);

    const error = await assertRejects(() => unpackWith(threads, box, layers), ExtractError);

    assertEquals([error.path, error.layer], ["b", layers[1]?.descriptor.digest]);
  });

  Deno.test(`unpacking ${where} stops at once, and the next attempt resumes the download`, async () => {
    await using box = await makeUnpackBox();
    const controller = new AbortController();
    const reason = new Error("enough");
    let seen = 0;
    const layers = fakeLayers([LARGE], {
      through: (stream) =>
        stream.pipeThrough(
          new TransformStream({
            transform(chunk, output) {
              output.enqueue(chunk);
              if ((seen += chunk.length) > 1_500_000) controller.abort(reason);
            },
          }),
        ),
    });

    const stopped = await assertRejects(async () => {
      using ending = open();
      await unpackWith(ending, box, layers, { signal: controller.signal });
    });
    await Deno.remove(box.root, { recursive: true });
    const again = fakeLayers([LARGE]);
    await unpackWith(threads, box, again);

    assertEquals(stopped, reason);
    assert((again[0]?.offsets[0] ?? 0) > 1_000_000, `it began at ${again[0]?.offsets}`);
    assertEquals(describeTree(readTree(`${box.root}/0`)), await stacked([LARGE]));
  });

  for (const { of, index, at } of WRONG_PARTS) {
    Deno.test(`unpacking ${where} starts over if the ${of} of an earlier run is wrong`, async () => {
      await using box = await makeUnpackBox();
      const archives = [LARGE, tar(file("upper", noise(200_000)))];
      const layers = fakeLayers(archives);
      const [hex = "", bytes = new Uint8Array()] = [
        layers[index]?.descriptor.digest.slice(7),
        layers[index]?.built.bytes.slice(0, 100_000).with(at, 0xff),
      ];
      await Deno.mkdir(`${box.store.path}/ingest`, { recursive: true });
      await Deno.writeFile(`${box.store.path}/ingest/sha256-${hex}.part`, bytes);

      await unpackWith(threads, box, layers);

      assertEquals(layers[index]?.offsets, [100_000, 0]);
      assertEquals(describeTree(readTree(`${box.root}/0`)), await stacked(archives));
    });
  }

  Deno.test(`unpackImage() ${where} downloads a layer once for two callers`, async () => {
    await using box = await makeUnpackBox();
    const layers = fakeLayers([LARGE, tar(file("e", "1"))]);

    await Promise.all([
      unpackWith(threads, box, layers),
      unpackWith(threads, { ...box, root: `${box.root}2` }, layers),
    ]);

    assertEquals(layers.map(({ offsets }) => offsets.length), [1, 1]);
    assertEquals(
      describeTree(readTree(`${box.root}/0`)),
      describeTree(readTree(`${box.root}2/0`)),
    );
  });

  Deno.test(`unpacking ${where} limits the bytes of all layers together`, async () => {
    await using box = await makeUnpackBox();
    const layers = fakeLayers([LARGE, tar(file("e", noise(1_500_000)))]);

    const error = await assertRejects(
      () => unpackWith(threads, box, layers, { maxBytes: 4_000_000 }),
      LimitError,
    );

    assertEquals([error.limit, error.max], ["decompressed bytes", 4_000_000]);
  });
}
