import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseReference, RegistryError, RepositoryContent } from "../../../registry/mod.ts";
import {
  type Descriptor,
  DigestMismatchError,
  digestOf,
  OCI_INDEX,
  OCI_LAYER,
  OciError,
  parseManifest,
} from "../../../spec/mod.ts";
import { openBytes } from "../../../spec/image/read_bytes.ts";
import {
  ContentStore,
  copyGraph,
  copyNamed,
  type CopyProgress,
  LayoutContent,
  MemoryContent,
} from "../../../store/mod.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  jsonBlob,
  nestedIndex,
  withBlobs,
} from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";

const BASE = tar(file("base", "shared by both"));
const AMD64 = buildImage({ layers: [BASE, tar(file("bin", "amd64"))] });
const ARM64 = buildImage({ layers: [BASE, tar(file("bin", "arm64"))], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);

async function textOf(content: MemoryContent, descriptor: Descriptor): Promise<string> {
  return await new Response(await content.fetch(descriptor)).text();
}

/** A target that records what is pushed to it, in order. */
class RecordingContent extends MemoryContent {
  readonly pushed: Descriptor[] = [];
  readonly asked: Descriptor[] = [];

  override exists(descriptor: Descriptor): Promise<boolean> {
    this.asked.push(descriptor);
    return super.exists(descriptor);
  }

  override async push(...args: Parameters<MemoryContent["push"]>): Promise<void> {
    await super.push(...args);
    this.pushed.push(args[0]);
  }
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

Deno.test.each(["", "invalid", OCI_LAYER])(
  "copyNamed() refuses a document with the media type %j, and stores nothing",
  async (mediaType) => {
    const target = new RecordingContent();
    const root = { ...AMD64.descriptor, mediaType };

    const error = await assertRejects(
      async () => await copyNamed(await memoryOf(AMD64), target, root, "v1"),
      OciError,
      "is not that of a manifest or an index",
    );

    assertEquals(error.code, "invalid-document");
    assertEquals(target.pushed, []);
  },
);

Deno.test("copyNamed() names the document last", async () => {
  const target = new RecordingContent();

  await copyNamed(await memoryOf(INDEX), target, INDEX.descriptor, "v1");

  assertEquals((await target.resolve("v1"))?.digest, INDEX.descriptor.digest);
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

Deno.test("copyNamed() assigns no name when a blob cannot be copied", async () => {
  const source = await memoryOf(INDEX);
  const broken = ARM64.layers[1]?.descriptor.digest;
  const target = new RecordingContent();

  await assertRejects(
    () =>
      copyNamed(
        {
          fetch: (descriptor, options) =>
            descriptor.digest === broken
              ? Promise.resolve(new Blob(["other bytes"]).stream())
              : source.fetch(descriptor, options),
        },
        target,
        INDEX.descriptor,
        "v1",
      ),
    DigestMismatchError,
  );

  assertEquals(await target.resolve("v1"), undefined);
  assertEquals(await target.exists(INDEX.descriptor), false);
});

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

const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: INDEX.descriptor });
const COUNTERSIGNATURE = buildArtifact({
  artifactType: "application/x.countersig",
  subject: SIGNATURE.descriptor,
});
const SBOM = buildArtifact({ artifactType: "application/x.sbom", subject: ARM64.descriptor });

Deno.test("copyGraph() copies the referrers of all documents, and of referrers", async () => {
  const source = await memoryOf(INDEX, SIGNATURE, COUNTERSIGNATURE, SBOM);
  const target = new MemoryContent();

  await copyGraph(source, target, INDEX.descriptor, { withReferrers: true });

  for (const { descriptor } of [SIGNATURE, COUNTERSIGNATURE, SBOM]) {
    assert(await target.exists(descriptor));
  }
});

Deno.test("copyGraph() terminates if documents are listed as referrers of each other", async () => {
  const source = await memoryOf(AMD64, ARM64);
  const target = new MemoryContent();

  await copyGraph(
    {
      fetch: (descriptor, options) => source.fetch(descriptor, options),
      referrers: () => Promise.resolve([AMD64.descriptor, ARM64.descriptor]),
    },
    target,
    AMD64.descriptor,
    { withReferrers: true },
  );

  assert(await target.exists(ARM64.descriptor));
});

Deno.test("copyGraph() copies an index that refers to one of its manifests", async () => {
  const index = jsonBlob(OCI_INDEX, {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [AMD64.descriptor],
    subject: AMD64.descriptor,
  });
  const source = await memoryOf(withBlobs(index, [...AMD64.blobs.values()]));
  const target = new MemoryContent();

  await copyGraph(source, target, AMD64.descriptor, { withReferrers: true });

  assert(await target.exists(index.descriptor));
});

for (
  const { kind, hasApi } of [{ kind: "the API", hasApi: true }, { kind: "a tag", hasApi: false }]
) {
  Deno.test(`copyGraph() adds referrers to a registry that lists them by ${kind}`, async () => {
    await using registry = writableRegistry({
      interfere: async (request, next) => {
        if (hasApi) return await next();
        if (request.url.includes("/referrers/")) return new Response(null, { status: 404 });
        const answer = await next();
        answer.headers.delete("oci-subject");
        return answer;
      },
    });
    using client = testClient();
    const target = new RepositoryContent(client, parseReference(`${registry.host}/a/b`));
    const second = buildArtifact({
      artifactType: "application/x.sig",
      subject: INDEX.descriptor,
      content: "another one",
    });

    await copyNamed(
      await memoryOf(INDEX, SIGNATURE, second, COUNTERSIGNATURE),
      target,
      INDEX.descriptor,
      "v1",
      { withReferrers: true },
    );
    const back = new MemoryContent();
    await copyGraph(target, back, INDEX.descriptor, { withReferrers: true });

    for (const { descriptor } of [SIGNATURE, second, COUNTERSIGNATURE]) {
      assert(await back.exists(descriptor));
    }
    assertEquals((await target.resolve("v1"))?.digest, INDEX.descriptor.digest);
    const hasTag = registry.seen().some((line) => line.startsWith("PUT a/b/manifests/sha256-"));
    assertEquals(hasTag, !hasApi);
  });
}

Deno.test("copyNamed() pushes with an account that may not pull", async () => {
  await using registry = writableRegistry({
    interfere: (request, next) => {
      const isRead = request.method === "HEAD" || request.method === "GET";
      return isRead ? Promise.resolve(new Response(null, { status: 403 })) : next();
    },
  });
  using client = testClient();
  const target = new RepositoryContent(client, parseReference(`${registry.host}/a/b`), {
    isTarget: true,
  });

  await copyNamed(await memoryOf(AMD64), target, AMD64.descriptor, "v1");

  const stored = await registry.content.resolve("a/b", "v1");
  assertEquals(stored?.digest, AMD64.descriptor.digest);
});

Deno.test("copyNamed() reports why a registry forbids a push", async () => {
  const message = "the quota is used up";
  await using registry = writableRegistry({
    interfere: ({ method }) => {
      const body = JSON.stringify({ errors: [{ code: "DENIED", message }] });
      return Promise.resolve(new Response(method === "HEAD" ? null : body, { status: 403 }));
    },
  });
  using client = testClient();
  const target = new RepositoryContent(client, parseReference(`${registry.host}/a/b`), {
    isTarget: true,
  });
  const source = await memoryOf(AMD64);

  const error = await assertRejects(
    () => copyNamed(source, target, AMD64.descriptor, "v1"),
    RegistryError,
    message,
  );

  assertMatch(error.message, /^Cannot push /);
});

Deno.test("copyNamed() sends one request per manifest and none per blob if the target has everything", async () => {
  await using registry = writableRegistry();
  using client = testClient();
  const source = await memoryOf(INDEX);
  const target = new RepositoryContent(client, parseReference(`${registry.host}/a/b`));
  await copyNamed(source, target, INDEX.descriptor, "v1");
  const puts = registry.requests.filter(({ method, path }) =>
    method === "PUT" && path.includes("/manifests/")
  );
  assertEquals(puts.map(({ path }) => path).at(-1), "a/b/manifests/v1");
  assertEquals(puts.length, 3);
  registry.forget();

  await copyNamed(source, target, INDEX.descriptor, "v1");

  assertEquals(
    registry.seen().toSorted(),
    [
      `HEAD a/b/manifests/${AMD64.descriptor.digest}`,
      `HEAD a/b/manifests/${ARM64.descriptor.digest}`,
      "HEAD a/b/manifests/v1",
    ].toSorted(),
  );
});

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
