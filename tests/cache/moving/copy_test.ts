import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, NotFoundError } from "../../../mod.ts";
import type { ImageProgress } from "../../../registry/mod.ts";
import { DigestMismatchError, digestOf } from "../../../spec/mod.ts";
import { blobOf, buildArtifact, buildImage, buildIndex, type Built } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { AMD64, ARM64, INDEX } from "../../_support/two_platforms.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { makeScene, SIGNATURE } from "./_copy_scene.ts";
import { pushBuilt } from "./_pushed.ts";

Deno.test("copy() copies an index between registries, each blob once", async () => {
  await using scene = await makeScene();
  const progress: ImageProgress[] = [];

  const { descriptor, copied, target } = await copy(scene.from, scene.to, {
    client: scene.client,
    onProgress: (event) => progress.push(event),
  });

  assertEquals(target, scene.to);
  assertEquals(descriptor, INDEX.descriptor);
  assertEquals(copied, INDEX.blobs.size);
  assertEquals((await scene.has("v2"))?.digest, INDEX.descriptor.digest);
  const read = scene.source.seen().filter((line) => line.startsWith("GET"));
  assertEquals(new Set(read).size, read.length, "something was read twice");
  assertEquals(progress.at(-1)?.phase, "done");
  assertEquals(progress.at(-1)?.bytes, progress.at(-1)?.total);
});

Deno.test("copy() queries both sides at the same time", async () => {
  const [looked, missing] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { digest } = AMD64.descriptor;
  await using source = writableRegistry({
    interfere: async ({ method, url }, next) => {
      if (method === "HEAD" && url.endsWith("/v1")) await looked.promise;
      const answer = await next();
      if (method === "GET" && url.endsWith(`manifests/${digest}`)) missing.resolve();
      return answer;
    },
  });
  await using target = writableRegistry({
    interfere: async ({ method, url }, next) => {
      if (method === "HEAD" && url.endsWith("/v2")) looked.resolve();
      if (method === "HEAD" && url.endsWith(`manifests/${digest}`)) await missing.promise;
      return await next();
    },
  });
  using client = testClient();
  await pushBuilt(source, "a/b:none", AMD64);
  await source.content.putManifest("a/b", AMD64.descriptor, AMD64.bytes, ["v1"]);

  await copy(`${source.host}/a/b:v1`, `${target.host}/c/d:v2`, { client });

  assertEquals((await target.content.resolve("c/d", "v2"))?.digest, digest);
  assertEquals(target.seen().filter((line) => line.startsWith("GET")), []);
});

Deno.test("copy() sends one request per manifest and none per blob if the target has everything", async () => {
  await using scene = await makeScene();
  await copy(scene.from, scene.to, { client: scene.client });
  scene.source.forget();
  scene.target.forget();

  const { copied, skipped } = await copy(scene.from, scene.to, { client: scene.client });

  assertEquals([copied, skipped], [0, 3]);
  assertEquals(scene.target.requests.map(({ method }) => method), ["HEAD", "HEAD", "HEAD"]);
  assertEquals(scene.target.seen().filter((line) => line.includes("/blobs/")), []);
  assert(scene.source.requests.length <= 2, scene.source.seen().join());
});

Deno.test("copy() gives a manifest at the target another name without reading it there", async () => {
  await using scene = await makeScene();
  await copy(scene.from, scene.to, { client: scene.client });
  scene.source.forget();
  scene.target.forget();

  await copy(scene.from, `${scene.target.host}/c/d:v3`, { client: scene.client });

  assertEquals((await scene.has("v3"))?.digest, INDEX.descriptor.digest);
  const { digest } = INDEX.descriptor;
  assertEquals(scene.source.seen(), ["HEAD a/b/manifests/v1", `GET a/b/manifests/${digest}`]);
  assertEquals(
    scene.target.seen().toSorted(),
    [
      ...[AMD64, ARM64, INDEX].map(({ descriptor }) => `HEAD c/d/manifests/${descriptor.digest}`),
      "HEAD c/d/manifests/v3",
      "PUT c/d/manifests/v3",
    ].toSorted(),
  );
});

Deno.test("copy() names another manifest at the target without reading it there", async () => {
  await using scene = await makeScene();
  const [platform, to] = ["linux/arm64", `${scene.target.host}/c/d:arm64`];
  await copy(scene.from, scene.to, { client: scene.client });
  await copy(scene.from, to, { client: scene.client });
  scene.target.forget();

  await copy(scene.from, to, { client: scene.client, platforms: [platform] });

  assertEquals((await scene.has("arm64"))?.digest, ARM64.descriptor.digest);
  assertEquals(scene.target.seen(), [
    "HEAD c/d/manifests/arm64",
    `HEAD c/d/manifests/${ARM64.descriptor.digest}`,
    "PUT c/d/manifests/arm64",
  ]);
});

Deno.test("copy() mounts blobs within one registry, and reads none", async () => {
  await using scene = await makeScene();

  await copy(scene.from, `${scene.source.host}/e/f:v1`, { client: scene.client });

  const blobs = scene.source.requests.filter(({ path }) => path.includes("/blobs/"));
  assertEquals(blobs.filter(({ method }) => method === "GET"), []);
  const uploads = blobs.filter(({ method }) => method !== "HEAD");
  // Two configs and three layers.
  assertEquals(uploads.map(({ method, status }) => [method, status]), Array(5).fill(["POST", 201]));
  assertEquals(uploads.every(({ path }) => path.includes("&from=a%2Fb")), true);
});

Deno.test("copy() copies referrers", async () => {
  await using scene = await makeScene();

  await copy(scene.from, scene.to, { client: scene.client, withReferrers: true });

  const referrers = await scene.target.content.referrers("c/d", INDEX.descriptor.digest);
  assertEquals(referrers.map(({ digest }) => digest), [SIGNATURE.descriptor.digest]);
});

Deno.test("copy() copies attachments under the tags of cosign", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const tagOf = (digest: string, suffix: string) => `${digest.replace(":", "-")}.${suffix}`;
  const signature = buildArtifact({ artifactType: "application/x.cosign", content: "sig" });
  const sbom = buildArtifact({ artifactType: "application/x.cosign", content: "sbom" });
  const tags = [
    tagOf(INDEX.descriptor.digest, "sig"),
    tagOf(ARM64.descriptor.digest, "sbom"),
  ] as const;
  await pushBuilt(scene.source, `a/b:${tags[0]}`, signature);
  await pushBuilt(scene.source, `a/b:${tags[1]}`, sbom);
  const { client, from, to } = scene;
  const layout = `oci:${directory.join("layout")}`;

  await copy(from, `${layout}:v1`, { client, withReferrers: true });
  await copy(`${layout}:v1`, to, { client, withReferrers: true });
  await copy(from, `${scene.target.host}/e/f:v2`, { client });

  assertEquals(await scene.target.content.tags("c/d"), [...tags, "v2"].toSorted());
  assertEquals((await scene.has(tags[0]))?.digest, signature.descriptor.digest);
  assertEquals((await scene.has(tags[1]))?.digest, sbom.descriptor.digest);
  const written = scene.target.seen().filter((line) => line.startsWith("PUT c/d/manifests/"));
  assertEquals(written.at(-1), "PUT c/d/manifests/v2");
  assertEquals(await scene.target.content.tags("e/f"), ["v2"]);
});

Deno.test("copy() copies signatures of signatures, and their referrers", async () => {
  await using scene = await makeScene();
  const artifactType = "application/x.cosign";
  const tagOf = (built: Built) => `${built.descriptor.digest.replace(":", "-")}.sig`;
  const signature = buildArtifact({ artifactType, content: "sig" });
  const second = buildArtifact({ artifactType, content: "sig of sig" });
  const third = buildArtifact({ artifactType, content: "sig of referrer" });
  const note = buildArtifact({ artifactType: "application/x.note", subject: second.descriptor });
  const { client, source, from, to } = scene;
  await pushBuilt(source, `a/b:${tagOf(AMD64)}`, signature);
  await pushBuilt(source, `a/b:${tagOf(signature)}`, second);
  await pushBuilt(source, "a/b:none", note);
  await pushBuilt(source, `a/b:${tagOf(note)}`, third);

  await copy(from, to, { client, withReferrers: true });
  await copy(from, to, { client, withReferrers: true });

  const tags = await scene.target.content.tags("c/d");
  assertEquals(tags, [tagOf(AMD64), tagOf(signature), tagOf(note), "v2"].toSorted());
  assertEquals((await scene.has(tagOf(note)))?.digest, third.descriptor.digest);
  const referrers = await scene.target.content.referrers("c/d", second.descriptor.digest);
  assertEquals(referrers.map(({ digest }) => digest), [note.descriptor.digest]);
});

Deno.test("copy() copies content of an index with an unknown media type", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const blob = blobOf("application/vnd.unknown+json", new TextEncoder().encode("{}"));
  const unknown = { ...blob, blobs: new Map([[blob.descriptor.digest, blob]]) };
  const index = buildIndex([AMD64, { built: unknown }]);
  await pushBuilt(scene.source, "odd:1", index);
  const { client, to, source: { host } } = scene;
  const layout = `oci:${directory.join("layout")}:v1`;
  const archive = `oci-archive:${directory.join("a.tar")}:v1`;

  await copy(`${host}/odd:1`, layout, { client });
  await copy(layout, archive, { client });
  const { descriptor } = await copy(archive, to, { client, store: directory.join("store") });

  assertEquals(descriptor.digest, index.descriptor.digest);
  assertEquals(await scene.target.content.size("c/d", blob.descriptor.digest), 2);
});

Deno.test("copy() stores nothing in a dry run, and reports what it would copy", async () => {
  await using scene = await makeScene();

  const { bytes, copied } = await copy(scene.from, scene.to, {
    client: scene.client,
    dryRun: true,
  });

  const sizes = [...INDEX.blobs.values()].map(({ descriptor }) => descriptor.size);
  assertEquals([copied, bytes], [sizes.length, sizes.reduce((sum, size) => sum + size, 0)]);
  const methods = new Set(scene.target.requests.map(({ method }) => method));
  assertEquals(methods, new Set(["HEAD"]));
  assertEquals(await scene.target.content.repositories(), []);
});

Deno.test("copy() refuses a target that names another digest", async () => {
  await using scene = await makeScene();
  const other = digestOf(new Uint8Array(1));

  await assertRejects(
    () => copy(scene.from, `${scene.target.host}/c/d@${other}`, { client: scene.client }),
    DigestMismatchError,
  );

  assertEquals(await scene.target.content.repositories(), []);
});

Deno.test("copy() reports a missing source", async () => {
  await using scene = await makeScene();

  await assertRejects(
    () => copy(`${scene.source.host}/a/b:none`, scene.to, { client: scene.client }),
    NotFoundError,
    "a/b:none",
  );
});

Deno.test("copy() stops with the signal's reason and records no name", async () => {
  await using scene = await makeScene();
  const controller = new AbortController();
  const reason = new Error("enough");

  const thrown = await assertRejects(() =>
    copy(scene.from, scene.to, {
      client: scene.client,
      signal: controller.signal,
      onProgress: ({ phase, kind }) => {
        if (kind === "layer" && phase === "done") controller.abort(reason);
      },
    })
  );

  assertEquals(thrown, reason);
  assertEquals(await scene.has("v2"), undefined);
});

Deno.test("copy() resumes a blob whose source breaks", async () => {
  const image = buildImage({
    layers: [tar(file("big", crypto.getRandomValues(new Uint8Array(65_536))))],
  });
  const layer = image.layers[0];
  assert(layer !== undefined);
  let cuts = 0;
  await using source = writableRegistry({
    interfere: async (request, next) => {
      const answer = await next();
      const isLayer = request.url.endsWith(layer.descriptor.digest);
      if (request.method !== "GET" || !isLayer || cuts > 0) return answer;
      cuts++;
      await answer.body?.cancel();
      const part = new ReadableStream({
        start(controller) {
          controller.enqueue(layer.bytes.slice(0, 20_000));
          controller.error(new Error("cut"));
        },
      });
      return new Response(part, { headers: { "content-length": String(layer.bytes.length) } });
    },
  });
  await using target = writableRegistry();
  using client = testClient();
  await pushBuilt(source, "a/b:v1", image);

  await copy(`${source.host}/a/b:v1`, `${target.host}/a/b:v1`, { client });

  assertEquals(cuts, 1);
  assertEquals(await target.content.size("a/b", layer.descriptor.digest), layer.descriptor.size);
});
