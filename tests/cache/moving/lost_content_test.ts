import { assertEquals, assertRejects } from "@std/assert";
import { copy, pushArtifact } from "../../../mod.ts";
import { RegistryError } from "../../../registry/mod.ts";
import { isDocumentMediaType } from "../../../spec/image/media_types.ts";
import type { Built } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { AMD64, INDEX } from "../../_support/two_platforms.ts";
import { type Interference, writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "./_pushed.ts";

type Claim = "blobs" | "manifests" | "mounts";

/** Claims to have everything of a kind in the repository `c/d`. */
function claiming(...claims: readonly Claim[]): Interference {
  return (request, next) => {
    const { pathname, searchParams } = new URL(request.url);
    const [, kind = ""] = /\/c\/d\/(blobs|manifests)\/sha256:/.exec(pathname) ?? [];
    if (request.method === "HEAD" && claims.some((claim) => claim === kind)) {
      return new Response(null, { headers: { "content-length": "1" } });
    }
    const isMount = request.method === "POST" && searchParams.has("mount");
    return isMount && claims.includes("mounts") ? new Response(null, { status: 201 }) : next();
  };
}

Deno.test.each<{ what: string; built: Built; claims: readonly Claim[]; from?: "target" }>([
  { what: "blobs of an image", built: AMD64, claims: ["blobs"] },
  { what: "mounted blobs of an image", built: AMD64, claims: ["mounts"], from: "target" },
  { what: "blobs of an index", built: INDEX, claims: ["blobs"] },
  { what: "manifests of an index", built: INDEX, claims: ["manifests"] },
  { what: "everything of an image", built: AMD64, claims: ["blobs", "manifests"] },
  {
    what: "everything of an index",
    built: INDEX,
    claims: ["blobs", "manifests", "mounts"],
    from: "target",
  },
])("copy() sends $what that a registry has lost, once", async ({ built, claims, from }) => {
  await using source = writableRegistry();
  await using target = writableRegistry({ interfere: claiming(...claims) });
  using client = testClient();
  const place = from === "target" ? target : source;
  await pushBuilt(place, "a/b:v1", built);
  target.forget();

  const { copied, skipped } = await copy(`${place.host}/a/b:v1`, `${target.host}/c/d:v1`, {
    client,
  });

  assertEquals((await target.content.resolve("c/d", "v1"))?.digest, built.descriptor.digest);
  const sizes = await Promise.all([...built.blobs.values()].map(async ({ descriptor }) => {
    const { digest, mediaType } = descriptor;
    return isDocumentMediaType(mediaType)
      ? (await target.content.resolve("c/d", digest))?.size
      : await target.content.size("c/d", digest);
  }));
  const all = [...built.blobs.values()].map(({ descriptor }) => descriptor);
  assertEquals(sizes, all.map(({ size }) => size));
  const uploads = target.seen().filter((line) => /^PUT .*\/uploads\//.test(line));
  assertEquals(uploads.length, all.filter((blob) => !isDocumentMediaType(blob.mediaType)).length);
  assertEquals([copied, skipped], [built.blobs.size, 0]);
});

Deno.test("copy() sends blobs that Artifactory cannot find", async () => {
  await using source = writableRegistry();
  const claim = claiming("blobs");
  await using target = writableRegistry({
    interfere: async (request, next) => {
      const answer = await claim(request, next);
      if (request.method !== "PUT" || answer.status !== 404) return answer;
      const detail = { description: "Failed to copy blob sha256__0123 to c/d/v1" };
      const errors = [{ code: "MANIFEST_INVALID", message: "manifest invalid", detail }];
      return Response.json({ errors }, { status: 400 });
    },
  });
  using client = testClient();
  await pushBuilt(source, "a/b:v1", AMD64);

  await copy(`${source.host}/a/b:v1`, `${target.host}/c/d:v1`, { client });

  assertEquals((await target.content.resolve("c/d", "v1"))?.digest, AMD64.descriptor.digest);
});

Deno.test("pushArtifact() sends blobs that a registry has lost", async () => {
  await using target = writableRegistry({ interfere: claiming("blobs") });
  await using directory = await makeTempDir();
  using client = testClient();
  const path = directory.join("a.txt");
  await Deno.writeTextFile(path, "a");

  const { descriptor } = await pushArtifact(`${target.host}/c/d:v1`, [{ path }], { client });

  assertEquals((await target.content.resolve("c/d", "v1"))?.digest, descriptor.digest);
});

Deno.test("copy() fails if a registry does not find the blobs that it has received", async () => {
  await using source = writableRegistry();
  const claim = claiming("blobs");
  await using target = writableRegistry({
    interfere: (request, next) => {
      const isManifest = request.method === "PUT" && request.url.includes("/manifests/");
      if (!isManifest) return claim(request, next);
      return Response.json({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN" }] }, { status: 404 });
    },
  });
  using client = testClient();
  await pushBuilt(source, "a/b:v1", AMD64);

  const error = await assertRejects(
    () => copy(`${source.host}/a/b:v1`, `${target.host}/c/d:v1`, { client }),
    RegistryError,
    "answered 404 MANIFEST_BLOB_UNKNOWN after 3 attempts",
  );

  assertEquals(error.retryable, false);
  const puts = target.seen().filter((line) => line.startsWith("PUT"));
  assertEquals(puts.filter((line) => line.includes("/manifests/")).length, 6);
  assertEquals(puts.filter((line) => line.includes("/uploads/")).length, 3);
});
