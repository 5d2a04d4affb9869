import { parseReference, type PushBlobOptions, type RemoteClient } from "../../../registry/mod.ts";
import { digestHex, OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { throwEverywhere } from "../../_support/callbacks.ts";
import { cut, type Fault, on, registryError, respond } from "../../_support/faulty_registry.ts";
import { blobOf, buildArtifact, buildImage, buildIndex } from "../../_support/image.ts";
import { opener } from "../../_support/push.ts";
import { type Interference, writableRegistry } from "../../_support/writable_registry.ts";
import { makeScene, readAll, type Scene, testClient } from "../_client.ts";

const SMALL = blobOf(OCI_LAYER, noise(1000));
const LARGE = blobOf(OCI_LAYER, noise(6 * 1024 * 1024));
/** Adds a deprecation warning to each response. */
function warn(): Fault {
  let count = 0;
  return async (_, next) => {
    const response = await next();
    const headers = new Headers(response.headers);
    headers.set("warning", `299 - "warning ${++count}"`);
    return { ...response, headers };
  };
}

const READS: readonly {
  readonly name: string;
  readonly read: (client: RemoteClient, scene: Scene) => Promise<unknown>;
}[] = [
  { name: "resolve()", read: (client, { reference }) => client.resolve(reference) },
  { name: "document()", read: (client, { reference }) => client.document(reference) },
  {
    name: "image()",
    read: async (client, { reference }) => {
      const image = await client.image(reference);
      for (const layer of image.layers) await readAll(await layer.compressed());
    },
  },
  {
    name: "blob()",
    read: async (client, { reference, blob }) => {
      await readAll(await client.blob(reference, blob.descriptor));
    },
  },
  {
    name: "tags()",
    read: (client, { reference }) => Array.fromAsync(client.tags(reference)),
  },
  { name: "referrers()", read: (client, { reference }) => client.referrers(reference) },
];

Deno.test.each(READS)("RemoteClient.$name closes everything if onWarning throws", async (test) => {
  await throwEverywhere(async (onWarning) => {
    await using scene = makeScene([on({}, warn())]);
    using client = testClient({ onWarning });
    await test.read(client, scene);
  });
});

Deno.test.each(READS)("RemoteClient.$name closes everything if onRequest throws", async (test) => {
  await throwEverywhere(async (onRequest) => {
    await using scene = makeScene();
    using client = testClient({ onRequest });
    await test.read(client, scene);
  });
});

Deno.test("RemoteClient.blob() closes everything if its callbacks throw", async () => {
  const rules = [on({ kind: "blob", nth: 1 }, cut(100_000)), on({ kind: "blob", nth: 2 }, cut(9))];
  for (const name of ["onRetry", "onAnswer"] as const) {
    await throwEverywhere(async (callback) => {
      await using scene = makeScene(rules);
      using client = testClient();
      const options = { length: 250_000, [name]: callback };
      await readAll(await client.blob(scene.reference, scene.blob.descriptor, options));
    });
  }
});

Deno.test("RemoteClient.image() closes everything if onProgress throws", async () => {
  await throwEverywhere(async (onProgress) => {
    await using scene = makeScene();
    using client = testClient();
    await client.image(scene.reference, { onProgress });
  });
});

Deno.test("RemoteClient closes everything if onWarning throws for a mirror", async () => {
  await throwEverywhere(async (onWarning) => {
    await using mirror = makeScene([on({}, registryError(500, "UNKNOWN"))]);
    await using scene = makeScene();
    const { host } = scene.registry;
    const mirrors = { [host]: [`http://${mirror.registry.host}`] };
    using client = testClient({ mirrors, onWarning, retries: 0 });
    const image = await client.image(scene.reference);
    for (const layer of image.layers) await readAll(await layer.compressed());
  });
});

Deno.test("RemoteClient.referrers() closes everything if onWarning throws for a fallback tag", async () => {
  const image = buildImage();
  const referrers = Array.from({ length: 5 }, (_, i) => {
    return buildArtifact({
      artifactType: `application/x${i}`,
      subject: image.descriptor,
      content: `${i}`,
    });
  });
  const list = buildIndex(referrers.map((built) => ({ built })));
  await throwEverywhere(async (onWarning) => {
    await using scene = makeScene([on("referrers", respond(404)), on({}, warn())]);
    const { content, reference } = scene;
    content.add("a/b", "v2", image);
    content.add("a/b", `sha256-${digestHex(image.descriptor.digest)}`, list);
    using client = testClient({ onWarning });
    await client.referrers({ ...reference, digest: image.descriptor.digest });
  });
});

/** Warns with each response, and fails some of them. */
function trouble(): Interference {
  let count = 0;
  return async (request, next) => {
    count++;
    const { method } = request;
    if (count === 2 || method === "PATCH" && count < 6) return new Response(null, { status: 503 });
    const response = await next();
    response.headers.set("warning", `299 - "warning ${count}"`);
    return response;
  };
}

Deno.test.each(
  [
    { blob: "small", name: "onBytes" },
    { blob: "small", name: "onRetry" },
    { blob: "small", name: "onWarning" },
    { blob: "large", name: "onBytes" },
    { blob: "large", name: "onRetry" },
    { blob: "large", name: "onWarning" },
  ] as const,
)("RemoteClient.pushBlob() closes everything of a $blob blob if $name throws", async (test) => {
  const blob = test.blob === "small" ? SMALL : LARGE;
  await throwEverywhere(async (callback) => {
    await using registry = writableRegistry({ interfere: trouble() });
    using client = testClient();
    const options: PushBlobOptions = { [test.name]: callback };
    const repository = parseReference(`${registry.host}/a/b`);
    await client.pushBlob(repository, blob.descriptor, opener(blob), options);
  }, { maxCalls: 300, steps: test.name === "onBytes" ? 20 : 1 });
});

Deno.test("RemoteClient.pushManifest() and others close everything if onWarning throws", async () => {
  const image = buildImage({ layers: [noise(100)] });
  const artifact = buildArtifact({ artifactType: "application/x", subject: image.descriptor });
  await throwEverywhere(async (onWarning) => {
    await using registry = writableRegistry({ interfere: trouble() });
    using client = testClient({ onWarning });
    const reference = parseReference(`${registry.host}/a/b:v1`);
    for (const built of [image, artifact]) {
      for (const blob of built.blobs.values()) {
        if (blob.descriptor.digest === built.descriptor.digest) continue;
        await client.pushBlob(reference, blob.descriptor, opener(blob));
      }
      await client.pushManifest(reference, built.descriptor, built.bytes);
    }
    await client.hasManifest(reference, image.descriptor);
    await client.findTag(reference, "v1");
    await Array.fromAsync(client.repositories(registry.host));
    await client.delete(reference, "v1");
  });
});
