import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { parseReference, RegistryError, RepositoryContent } from "../../../registry/mod.ts";
import { DigestMismatchError, OCI_LAYER, OciError } from "../../../spec/mod.ts";
import { copyNamed } from "../../../store/mod.ts";
import { AMD64, ARM64, INDEX } from "../../_support/two_platforms.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { testClient } from "../../registry/_client.ts";
import { RecordingContent } from "./_recording_content.ts";

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
