import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  NetworkError,
  NotFoundError,
  RegistryError,
  RepositoryContent,
} from "../../../registry/mod.ts";
import { unusedAddress } from "../../_support/connections.ts";
import {
  type Fault,
  type FaultRule,
  on,
  redirect,
  registryError,
  respond,
  tokenAuth,
} from "../../_support/faulty_registry.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { makeScene, readAll, testClient } from "../_client.ts";

Deno.test("RemoteClient reports the error code of a storage service", async () => {
  const body = "<Error><Code>AccessDenied</Code><Message>expired</Message></Error>";
  await using storage = makeScene([on({}, respond(403, {}, body))]);
  await using scene = makeScene([on("blob", redirect(storage.registry.url))]);
  using client = testClient({ retries: 0 });

  const error = await assertRejects(async () => {
    await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  }, RegistryError);

  assertEquals([error.registryCode, error.detail], ["AccessDenied", "expired"]);
});

Deno.test("RemoteClient.delete() rejects with the reason of an abort while it probes", async () => {
  const controller = new AbortController();
  const abort: Fault = async (_, next) => {
    controller.abort(new RangeError("stop"));
    return await next();
  };
  await using scene = makeScene([
    on({ path: /manifests\/sha256:0/ }, abort),
    on({ method: "DELETE" }, respond(405)),
  ]);
  using client = testClient();
  const { signal } = controller;

  await assertRejects(() => client.delete(scene.reference, "x", { signal }), RangeError, "stop");
});

Deno.test.each<{ role: string; rules: (address: string) => readonly FaultRule[] }>([
  {
    role: "the token server",
    rules: (address) => [on({}, tokenAuth({ realm: () => `http://${address}/token` }).fault)],
  },
  {
    role: "the storage server",
    rules: (address) => [on("manifest", redirect(`http://${address}`))],
  },
])("RemoteClient names $role if it is unreachable", async ({ role, rules }) => {
  const address = unusedAddress();
  await using scene = makeScene(rules(address));
  using client = testClient({ retries: 0 });

  await assertRejects(
    () => client.document(scene.reference),
    NetworkError,
    `connection refused by ${role} ${address} of ${scene.registry.host}`,
  );
});

Deno.test("RemoteClient names an unreachable mirror", async () => {
  const address = unusedAddress();
  await using scene = makeScene();
  const warnings: string[] = [];
  using client = testClient({
    mirrors: { [scene.registry.host]: [`http://${address}`] },
    onWarning: (message) => warnings.push(message),
  });

  await client.document(scene.reference);

  assert(warnings[0]?.includes(`connection refused by the mirror ${address}`), warnings[0]);
});

Deno.test.each(
  [
    { missing: "repository", says: "does not have the repository, or hides it" },
    { missing: "repository", says: "does not have the repository, or hides it", isListed: true },
    { missing: "tag", says: 'does not have the tag "v1"' },
    { missing: "manifest", says: "does not have the manifest sha256:" },
    { missing: "child", says: "for linux/amd64, named by its index, so the image is incomplete" },
    { missing: "child", says: "named by its index, so the image is incomplete", isCopied: true },
    { missing: "config", says: "does not have the config sha256:" },
    { missing: "blob", says: "does not have the blob sha256:" },
  ] as const,
)("RemoteClient says that the $missing is missing", async ({ missing, says, ...row }) => {
  const index = buildIndex([buildImage({ layers: [], platform: "linux/amd64" })]);
  const child = /manifests\/sha256/;
  const rules: Record<typeof missing, readonly FaultRule[]> = {
    repository: [on({}, registryError(404, "NAME_UNKNOWN"))],
    tag: [on("manifest", respond(404))],
    manifest: [on({ path: child }, respond(404))],
    child: [on({ path: child }, respond(404))],
    config: [on("blob", respond(404))],
    blob: [on("blob", respond(404))],
  };
  await using scene = makeScene(rules[missing]);
  scene.content.add("a/b", "index", index);
  using client = testClient();
  const { reference } = scene;

  const error = await assertRejects(async () => {
    if ("isCopied" in row) {
      const content = new RepositoryContent(client, reference);
      await content.fetch(scene.image.descriptor).catch(() => {});
      await content.fetch(index.descriptor);
    } else if ("isListed" in row) {
      await Array.fromAsync(client.tags(reference));
    } else if (missing === "blob") {
      await readAll(await client.blob(reference, scene.blob.descriptor));
    } else if (missing === "manifest") {
      await client.document({ ...reference, digest: scene.image.descriptor.digest });
    } else {
      const tag = missing === "tag" || missing === "repository" ? "v1" : "index";
      await client.image({ ...reference, tag }, { platform: "linux/amd64" });
    }
  }, NotFoundError);

  assertEquals(error.missing, missing);
  assert(error.message.includes(says), error.message);
});

Deno.test.each([400, 403, 404, 405, 411, 418, 429, 500, 503])(
  "RemoteClient.resolve() falls back to GET if HEAD is rejected with %i",
  async (status) => {
    await using scene = makeScene([on({ kind: "manifest", method: "HEAD" }, respond(status))]);
    using client = testClient();

    const { digest } = await client.resolve(scene.reference);

    assertEquals(digest, scene.image.descriptor.digest);
    assertEquals(scene.registry.requests.map(({ method }) => method), ["HEAD", "GET"]);
  },
);
