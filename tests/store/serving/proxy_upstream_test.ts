import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, NotFoundError } from "../../../registry/mod.ts";
import { type Descriptor, type Digest, parseManifest } from "../../../spec/mod.ts";
import { ProxyRegistryContent } from "../../../store/mod.ts";
import type { ProxyClient } from "../../../store/serving/proxy_registry_content.ts";
import { noise } from "../../_support/bytes.ts";
import { buildArtifact, buildImage, buildIndex, type BuiltBlob } from "../../_support/image.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const IMAGE = buildImage({ layers: [noise(900_000, 1)], compression: "none" });
const INDEX = buildIndex([IMAGE]);
const SBOM = buildArtifact({ artifactType: "application/spdx+json", subject: IMAGE.descriptor });
const LAYER = IMAGE.layers[0] ?? IMAGE;
const TAGS: Readonly<Record<string, Descriptor>> = {
  v1: IMAGE.descriptor,
  all: INDEX.descriptor,
};
const UPSTREAM = { registry: "upstream.example" };

/** An upstream registry in this process. */
interface Upstream {
  readonly client: ProxyClient;
  /** Operations so far, such as `resolve v1`. */
  readonly calls: string[];
  /** Sends the rest of each layer, which begins with a few bytes. */
  readonly release: () => void;
  /** Whether `resolve` and `findBlob` return, fail, or never settle. */
  state: "there" | "refused" | "silent";
}

function upstream({ sizes = {} }: { readonly sizes?: Record<Digest, number> } = {}): Upstream {
  const gate = Promise.withResolvers<void>();
  const calls: string[] = [];
  const blobs = new Map<string, BuiltBlob>([...INDEX.blobs, ...SBOM.blobs]);
  const missing = () => {
    const options = { action: "find it", status: 404, url: "https://upstream.example/" };
    return new NotFoundError("there is none", options);
  };
  const failure = () =>
    new NetworkError("connection refused", {
      action: "reach it",
      reason: "refused",
      url: "https://upstream.example/",
    });
  const find = async (call: string, found: Descriptor | undefined, signal?: AbortSignal) => {
    calls.push(call);
    if (self.state === "refused") throw failure();
    if (self.state === "silent") {
      const { promise, reject } = Promise.withResolvers<never>();
      signal?.addEventListener("abort", () => reject(signal.reason), { once: true });
      await promise;
    }
    return found;
  };
  const self: Upstream = {
    calls,
    release: () => gate.resolve(),
    state: "there",
    client: {
      async resolve({ tag, digest }, { signal } = {}) {
        const named = digest === undefined ? TAGS[tag ?? ""] : blobs.get(digest)?.descriptor;
        const found = await find(`resolve ${digest ?? tag}`, named, signal);
        if (found === undefined) throw missing();
        return { ...found, size: sizes[found.digest] ?? found.size };
      },
      async findBlob(_repository, digest, { signal } = {}) {
        return await find(`findBlob ${digest}`, blobs.get(digest)?.descriptor, signal);
      },
      document({ digest }) {
        calls.push(`document ${digest}`);
        const { bytes, descriptor } = blobs.get(digest ?? "") ?? IMAGE;
        const value = parseManifest(bytes, descriptor.mediaType);
        return Promise.resolve({ bytes, descriptor, value });
      },
      blob(_repository, { digest }, { offset = 0 } = {}) {
        calls.push(`blob ${digest}`);
        const bytes = blobs.get(digest)?.bytes ?? new Uint8Array();
        return Promise.resolve(ReadableStream.from((async function* () {
          yield bytes.slice(offset, offset + 500_000);
          if (digest === LAYER.descriptor.digest) await gate.promise;
          yield bytes.slice(offset + 500_000);
        })()));
      },
      async *tags() {
        await find("tags", undefined);
        yield* Object.keys(TAGS);
      },
      async referrers(_reference, { skipMirrors } = {}) {
        // A mirror has only another one.
        if (self.state === "refused" && !skipMirrors) return [INDEX.descriptor];
        await find("referrers", undefined);
        return [SBOM.descriptor];
      },
    },
  };
  return self;
}

/** Reads a stream to its end. */
async function read(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(stream).bytes();
}

/** Fetches an image as a client does. */
async function pull(content: ProxyRegistryContent, reference = "v1"): Promise<void> {
  const { digest } = await content.resolve("app", reference) ?? IMAGE.descriptor;
  for (const blob of [digest, IMAGE.descriptor.digest, IMAGE.config.descriptor.digest]) {
    await content.size("app", blob);
    await read(await content.open("app", blob));
  }
  await read(await content.open("app", LAYER.descriptor.digest));
}

Deno.test("ProxyRegistryContent serves other clients while one of them does not read", async () => {
  await using store = await makeTempStore();
  const { client, release, calls } = upstream();
  const content = new ProxyRegistryContent(store, client, UPSTREAM);
  const { digest } = LAYER.descriptor;
  await content.resolve("app", "v1");
  await content.size("app", digest);

  const idle = await content.open("app", digest);
  const readers = [await content.open("app", digest), await content.open("app", digest)]
    .map((stream) => stream.getReader());
  const firsts = await Promise.all(readers.map((reader) => reader.read()));
  const part = await content.open("app", digest, { offset: 10, length: 20 });
  release();
  const range = await read(part);
  for (const reader of readers) while (!(await reader.read()).done);
  const late = await read(idle);

  for (const { value } of firsts) assertEquals((value?.length ?? 0) > 0, true);
  assertEquals(range, LAYER.bytes.slice(10, 30));
  assertEquals(late, LAYER.bytes);
  assertEquals(calls.filter((call) => call === `blob ${digest}`).length, 1);
});

Deno.test("ProxyRegistryContent aborts a download that no client reads, and resumes it", async () => {
  await using store = await makeTempStore();
  const { client, release } = upstream();
  const content = new ProxyRegistryContent(store, client, UPSTREAM);
  const { digest } = LAYER.descriptor;
  await content.resolve("app", "v1");
  await content.size("app", digest);

  await (await content.open("app", digest)).cancel();
  const next = await content.open("app", digest);
  release();

  assertEquals(await read(next), LAYER.bytes);
});

Deno.test("ProxyRegistryContent fetches a document once for clients that request it together", async () => {
  await using store = await makeTempStore();
  const { client, calls } = upstream();
  const content = new ProxyRegistryContent(store, client, UPSTREAM);
  const { digest } = IMAGE.descriptor;
  await content.resolve("app", "v1");

  const all = await Promise.all(
    Array.from({ length: 4 }, async () => read(await content.open("app", digest))),
  );

  for (const bytes of all) assertEquals(bytes, IMAGE.bytes);
  assertEquals(calls.filter((call) => call === `document ${digest}`).length, 1);
});

Deno.test.each([
  { name: "refuses connections", state: "refused" as const, why: /connection refused/ },
  { name: "does not respond", state: "silent" as const, why: /did not respond within 0\.02 s/ },
])("ProxyRegistryContent serves stored images while upstream $name", async ({ state, why }) => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const warnings: string[] = [];
  const content = new ProxyRegistryContent(store, origin.client, UPSTREAM, {
    upstreamTimeoutMs: 20,
    onWarning: (message) => warnings.push(message),
  });
  await pull(content);
  origin.state = state;
  origin.calls.length = 0;

  const found = [await content.resolve("app", "v1"), await content.resolve("app", "v1")];

  assertEquals(found.map((descriptor) => descriptor?.digest), [
    IMAGE.descriptor.digest,
    IMAGE.descriptor.digest,
  ]);
  // The next request does not reach upstream.
  assertEquals(origin.calls, ["resolve v1"]);
  assertEquals([warnings.length, why.test(warnings[0] ?? "")], [1, true]);
});

Deno.test("ProxyRegistryContent keeps an image that was requested by digest", async () => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const { digest } = IMAGE.descriptor;
  await pull(new ProxyRegistryContent(store, origin.client, UPSTREAM), digest);
  origin.state = "refused";

  const restarted = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  const found = await restarted.resolve("app", digest);

  assertEquals(found?.digest, digest);
  assertEquals((await store.resolve(`upstream.example/app@${digest}`))?.digest, digest);
  assertEquals(await read(await restarted.open("app", LAYER.descriptor.digest)), LAYER.bytes);
});

Deno.test("ProxyRegistryContent keeps an artifact whose config no client requests", async () => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const content = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  const { digest } = IMAGE.config.descriptor;

  // oras does not request the config.
  await content.resolve("app", "v1");
  await read(await content.open("app", IMAGE.descriptor.digest));
  await read(await content.open("app", LAYER.descriptor.digest));

  assertEquals(await store.has(digest), true);
  assertEquals(
    (await store.resolve("upstream.example/app:v1"))?.digest,
    IMAGE.descriptor.digest,
  );
});

Deno.test("ProxyRegistryContent lists known referrers while upstream is unavailable", async () => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const content = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  await pull(content);
  const { digest } = SBOM.descriptor;
  await content.resolve("app", digest);
  await read(await content.open("app", digest));
  for (const blob of SBOM.blobs.keys()) {
    await content.size("app", blob);
    await read(await content.open("app", blob));
  }
  origin.state = "refused";

  const offline = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  const listed = await offline.referrers("app", IMAGE.descriptor.digest);

  assertEquals(listed.map((item) => item.digest), [digest]);
});

Deno.test("ProxyRegistryContent serves blobs of a manifest from before its restart", async () => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const content = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  // containerd does so if it already has the manifest.
  await content.resolve("app", "all");
  const { digest, size } = LAYER.descriptor;

  assertEquals(await content.size("app", digest), size);
  assertEquals(await read(await content.open("app", digest)), LAYER.bytes);
  assertEquals(await content.size("app", `sha256:${"0".repeat(64)}`), undefined);
});

Deno.test("ProxyRegistryContent reads no known document to look up an unknown blob", async () => {
  await using store = await makeTempStore();
  const origin = upstream();
  origin.release();
  const content = new ProxyRegistryContent(store, origin.client, UPSTREAM);
  await pull(content, "all");
  const lookups: unknown[] = [];
  const has = store.has.bind(store);
  store.has = (blob) => {
    lookups.push(blob);
    return has(blob);
  };

  const unknown: Digest = `sha256:${"0".repeat(64)}`;
  const size = await content.size("app", unknown);

  assertEquals([size, lookups], [undefined, [unknown]]);
});

Deno.test("ProxyRegistryContent serves a manifest that was requested as a blob before", async () => {
  await using store = await makeTempStore();
  const content = new ProxyRegistryContent(store, upstream().client, UPSTREAM);
  const { digest, size } = IMAGE.descriptor;

  assertEquals(await content.size("app", digest), size);
  assertEquals((await content.resolve("app", digest))?.mediaType, IMAGE.descriptor.mediaType);
});

Deno.test("ProxyRegistryContent forgets a size that turned out wrong", async () => {
  await using store = await makeTempStore();
  const { digest } = IMAGE.descriptor;
  const sizes: Record<Digest, number> = { [digest]: 7 };
  const content = new ProxyRegistryContent(store, upstream({ sizes }).client, UPSTREAM);
  await content.resolve("app", "v1");

  await assertRejects(() => content.open("app", digest));
  delete sizes[digest];
  const found = await content.resolve("app", digest);

  assertEquals(found?.size, IMAGE.descriptor.size);
  assertEquals(await read(await content.open("app", digest)), IMAGE.bytes);
});
