import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseReference, RepositoryContent } from "../../../registry/mod.ts";
import { openBytes } from "../../../spec/image/read_bytes.ts";
import { type Descriptor, digestOf, OCI_LAYER, parseManifest } from "../../../spec/mod.ts";
import {
  ContentStore,
  copyGraph,
  copyNamed,
  type CopyProgress,
  ImageArchiveWriter,
  LayoutContent,
  MemoryContent,
} from "../../../store/mod.ts";
import {
  blobOf,
  buildArtifact,
  buildImage,
  buildIndex,
  manifestOf,
  nestedIndex,
} from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { AMD64, ARM64, BASE, INDEX } from "../../_support/two_platforms.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { testClient } from "../../registry/_client.ts";
import { RecordingContent } from "./_recording_content.ts";

async function textOf(content: MemoryContent, descriptor: Descriptor): Promise<string> {
  return await new Response(await content.fetch(descriptor)).text();
}

for (
  const { name, built } of [
    { name: "an image", built: AMD64 },
    { name: "a docker image", built: buildImage({ layers: [BASE], mediaTypes: "docker" }) },
    { name: "an image with zstd", built: buildImage({ layers: [BASE], compression: "zstd" }) },
    { name: "an image by sha512", built: buildImage({ layers: [BASE], algorithm: "sha512" }) },
    { name: "an index", built: INDEX },
    { name: "a nested index", built: nestedIndex(3, INDEX) },
    { name: "an artifact", built: buildArtifact({ artifactType: "application/x.test" }) },
  ]
) {
  Deno.test(`copyGraph() copies ${name} after everything that it references`, async () => {
    const target = new RecordingContent();

    const stored = await copyGraph(await memoryOf(built), target, built.descriptor);

    assertEquals(stored, built.descriptor);
    const order = target.pushed.map(({ digest }) => digest);
    assertEquals(new Set(order).size, order.length, "something was pushed twice");
    assertEquals(new Set(order), new Set(built.blobs.keys()));
    assertEquals(order.at(-1), built.descriptor.digest);
    for (const [at, { mediaType, digest }] of target.pushed.entries()) {
      if (!/manifest|index/.test(mediaType)) continue;
      const { kind, value } = parseManifest(built.blobs.get(digest)?.bytes ?? new Uint8Array());
      const parts = kind === "index" ? value.manifests : [value.config, ...value.layers];
      assert(parts.every((part) => order.indexOf(part.digest) < at));
    }
  });
}

/** Takes a document that was stored as a blob for a complete one. */
class CredulousContent extends MemoryContent {
  override exists(descriptor: Descriptor): Promise<boolean> {
    return super.exists({ ...descriptor, mediaType: "application/octet-stream" });
  }
}

Deno.test.each([
  { to: "memory", target: new MemoryContent() },
  { to: "a registry that takes it for complete", target: new CredulousContent() },
  { to: "an archive", target: undefined },
])("copyGraph() copies a document that another one lists as a blob to $to", async (row) => {
  const { bytes, descriptor } = AMD64;
  const file = { bytes, descriptor: { ...descriptor, mediaType: "application/octet-stream" } };
  const artifact = manifestOf(blobOf("application/x-config", new Uint8Array()), [file]);
  const index = buildIndex([artifact, buildIndex([AMD64])]);
  await using directory = await makeTempDir();
  const path = directory.join("a.tar");
  await using writer = row.target
    ? undefined
    : await ImageArchiveWriter.create(path, "oci-archive");
  const target = row.target ?? writer ?? new MemoryContent();

  await copyGraph(await memoryOf(index), target, index.descriptor, { jobs: 1 });

  for (const { descriptor } of index.blobs.values()) assert(await target.exists(descriptor));
  for (const { descriptor } of AMD64.blobs.values()) assert(await target.exists(descriptor));
  await writer?.commit();
});

Deno.test("copyGraph() looks only for manifests if the target has everything", async () => {
  const target = new RecordingContent();
  const source = await memoryOf(INDEX);
  await copyGraph(source, target, INDEX.descriptor);
  target.pushed.length = target.asked.length = 0;

  await copyGraph(source, target, INDEX.descriptor);

  assertEquals(target.pushed, []);
  assertEquals(
    target.asked.map(({ digest }) => digest).toSorted(),
    [INDEX, AMD64, ARM64].map(({ descriptor }) => descriptor.digest).toSorted(),
  );
});

Deno.test("copyGraph() completes an index with missing manifests", async () => {
  const target = new RecordingContent();
  const source = await memoryOf(INDEX);
  await copyGraph(source, target, INDEX.descriptor, {
    successors: ({ document }, all) =>
      document?.value.kind === "index"
        ? all.filter(({ digest }) => digest === AMD64.descriptor.digest)
        : all,
  });
  assertEquals(await target.exists(INDEX.descriptor), true);
  assertEquals(await target.exists(ARM64.descriptor), false);

  await copyGraph(source, target, INDEX.descriptor);

  assertEquals(await target.exists(ARM64.descriptor), true);
});

Deno.test.each(["store", "registry", "memory"])(
  "copyGraph() requests raw bytes, which it or the target verifies: to a %s",
  async (kind) => {
    await using dir = await makeTempDir();
    await using registry = writableRegistry();
    using client = testClient();
    const source = await memoryOf(INDEX);
    const target = kind === "store"
      ? new LayoutContent(await ContentStore.open(dir.path))
      : kind === "registry"
      ? new RepositoryContent(client, parseReference(`${registry.host}/a/b`))
      : new MemoryContent();
    const reads: (boolean | undefined)[] = [];

    await copyGraph(
      {
        fetch: (descriptor, options) => {
          reads.push(options?.raw);
          return source.fetch(descriptor, options);
        },
      },
      target,
      INDEX.descriptor,
    );

    assert(reads.length > 0);
    assertEquals(reads.filter((raw) => raw !== true), []);
  },
);

Deno.test("copyGraph() stores the replacements of a hook, and rewrites their parents", async () => {
  const source = await memoryOf(INDEX);
  const target = new MemoryContent();
  const plain = new Map(
    [...AMD64.layers, ...ARM64.layers].map(({ descriptor, tar }) => [descriptor.digest, tar]),
  );

  // Replaces gzip layers with uncompressed ones.
  const stored = await copyGraph(source, target, INDEX.descriptor, {
    before: ({ descriptor }) => {
      const bytes = plain.get(descriptor.digest);
      if (bytes === undefined) return;
      const layer = { mediaType: OCI_LAYER, digest: digestOf(bytes), size: bytes.length };
      return { descriptor: layer, open: openBytes(new Uint8Array(bytes)) };
    },
  });

  const index = JSON.parse(await textOf(target, stored));
  const manifest = JSON.parse(await textOf(target, index.manifests[1]));
  assertEquals(index.manifests[1].platform, { os: "linux", architecture: "arm64" });
  assertEquals(manifest.config, ARM64.config.descriptor);
  assertEquals(
    manifest.layers.map(({ digest, mediaType }: Descriptor) => ({ digest, mediaType })),
    ARM64.layers.map(({ diffId }) => ({ digest: diffId, mediaType: OCI_LAYER })),
  );
  assertEquals(await target.exists(ARM64.descriptor), false);
});

Deno.test("copyGraph() calls hooks and reports progress", async () => {
  const source = await memoryOf(AMD64);
  const target = new MemoryContent();
  const [base] = AMD64.layers;
  assert(base !== undefined);
  await target.push(base.descriptor, openBytes(base.bytes));
  const [after, skipped]: Descriptor[][] = [[], []];
  const progress: CopyProgress[] = [];

  await copyGraph(source, target, AMD64.descriptor, {
    after: (_, stored) => void after?.push(stored),
    skipped: (descriptor) => void skipped?.push(descriptor),
    onProgress: (event) => progress.push(event),
  });

  assertEquals(skipped?.map(({ digest }) => digest), [base.descriptor.digest]);
  assertEquals(after?.length, AMD64.blobs.size - 1);
  assertEquals(progress.filter(({ state }) => state === "found").length, AMD64.blobs.size);
  assertEquals(progress.filter(({ state }) => state === "copied").length, AMD64.blobs.size - 1);
});

for (const foreignLayers of ["skip", "copy", "refuse"] as const) {
  Deno.test(`copyGraph() ${foreignLayers === "copy" ? "copies" : `${foreignLayers}s`} foreign layers`, async () => {
    const foreign = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip";
    const image = buildImage({
      layers: [BASE, {
        tar: tar(file("windows", "x")),
        mediaType: foreign,
        descriptor: { urls: ["https://example.com/layer"] },
      }],
    });
    const layer = image.layers[1]?.descriptor;
    assert(layer !== undefined);
    const target = new MemoryContent();
    const copy = async () => {
      await copyGraph(await memoryOf(image), target, image.descriptor, { foreignLayers });
    };

    if (foreignLayers === "refuse") await assertRejects(copy, Error, layer.digest);
    else await copy();

    assertEquals(await target.exists(layer), foreignLayers === "copy");
    assertEquals(await target.exists(image.descriptor), foreignLayers !== "refuse");
  });
}

Deno.test("copyGraph() limits the number of concurrent blobs", async () => {
  const layers = Array.from({ length: 12 }, (_, i) => tar(file(`${i}`, `${i}`)));
  const image = buildImage({ layers });
  const source = await memoryOf(image);
  let [active, most] = [0, 0];
  const target = new MemoryContent();

  await copyGraph(
    source,
    {
      exists: (descriptor) => target.exists(descriptor),
      push: async (...args) => {
        most = Math.max(most, ++active);
        await target.push(...args);
        active--;
      },
    },
    image.descriptor,
    { jobs: 3 },
  );

  assertEquals(most, 3);
});

Deno.test("copyGraph() fails with the reason of its signal", async () => {
  const source = await memoryOf(INDEX);
  const target = new MemoryContent();
  const controller = new AbortController();

  await assertRejects(
    () =>
      copyNamed(source, target, INDEX.descriptor, "v1", {
        signal: controller.signal,
        after: () => controller.abort(new Error("enough")),
      }),
    Error,
    "enough",
  );

  assertEquals(await target.resolve("v1"), undefined);
});
