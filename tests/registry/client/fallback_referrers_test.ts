import { assertEquals, assertMatch } from "@std/assert";
import { parseReference, RepositoryContent } from "../../../registry/mod.ts";
import { DOCKER_MANIFEST_LIST, OCI_INDEX } from "../../../spec/mod.ts";
import { copyGraph } from "../../../store/mod.ts";
import { buildArtifact, buildImage, buildIndex } from "../../_support/image.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { testClient } from "../_client.ts";

const IMAGE = buildImage();
const SBOM = buildArtifact({ artifactType: "application/x.sbom", subject: IMAGE.descriptor });
const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: IMAGE.descriptor });
const LIST = IMAGE.descriptor.digest.replace(":", "-");

/** A registry without the referrers API that has an image, an SBOM and a signature of it. */
async function makeScene() {
  await using stack = new AsyncDisposableStack();
  let isFull = false;
  const registry = stack.use(writableRegistry({
    interfere: async (request, next) => {
      if (request.url.includes("/referrers/")) return new Response(null, { status: 404 });
      if (isFull && request.method === "PUT") return new Response(null, { status: 403 });
      const answer = await next();
      answer.headers.delete("oci-subject");
      return answer;
    },
  }));
  const client = stack.use(testClient());
  const repository = parseReference(`${registry.host}/a/b`);
  const target = new RepositoryContent(client, repository);
  const source = await memoryOf(IMAGE, SBOM, SIGNATURE);
  await copyGraph(source, target, IMAGE.descriptor, { withReferrers: true });
  registry.forget();
  const owned = stack.move();
  return {
    registry,
    client,
    repository,
    listed: async () => {
      const { value } = await client.document({ ...repository, tag: LIST });
      return value.kind === "index" ? value.value.manifests.map(({ digest }) => digest) : [];
    },
    refuseUploads: () => {
      isFull = true;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("RemoteClient.delete() removes a referrer from the list under the fallback tag", async () => {
  await using scene = await makeScene();
  const { client, repository } = scene;

  await client.delete(repository, SBOM.descriptor.digest);

  assertEquals(await scene.listed(), [SIGNATURE.descriptor.digest]);
});

Deno.test("RemoteClient.delete() changes no list for a manifest without a subject", async () => {
  await using scene = await makeScene();
  const { client, registry, repository } = scene;

  await client.delete(repository, IMAGE.descriptor.digest);

  assertEquals(registry.seen().filter((line) => line.startsWith("PUT")), []);
  assertEquals((await scene.listed()).length, 2);
});

Deno.test("RemoteClient.delete() warns if the list of referrers cannot be changed", async () => {
  await using scene = await makeScene();
  const { client, registry, repository } = scene;
  const warnings: string[] = [];
  scene.refuseUploads();

  await client.delete(repository, SBOM.descriptor.digest, {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(await registry.content.resolve("a/b", SBOM.descriptor.digest), undefined);
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", /^sha256:\w+ is still listed as a referrer of sha256:\w+: .*403/);
});

Deno.test("RemoteClient.delete() removes referrers from the list at the same time", async () => {
  await using scene = await makeScene();
  const { client, repository } = scene;

  await Promise.all([SBOM, SIGNATURE].map(({ descriptor }) => {
    return client.delete(repository, descriptor.digest);
  }));

  assertEquals(await scene.listed(), []);
});

Deno.test("RepositoryContent omits deleted manifests from a list that a registry refuses", async () => {
  await using scene = await makeScene();
  const { client, repository, registry } = scene;
  // As clients do that do not know the list.
  const url = `http://${registry.host}/v2/a/b/manifests/${SBOM.descriptor.digest}`;
  await (await fetch(url, { method: "DELETE" })).body?.cancel();
  const other = buildArtifact({ artifactType: "application/x.vex", subject: IMAGE.descriptor });
  const target = new RepositoryContent(client, repository);

  await copyGraph(await memoryOf(IMAGE, other), target, other.descriptor);

  assertEquals(
    await scene.listed(),
    [SIGNATURE, other].map(({ descriptor }) => descriptor.digest),
  );
});

Deno.test.each([
  { type: OCI_INDEX, list: { manifests: null } },
  { type: OCI_INDEX, list: {} },
  { type: DOCKER_MANIFEST_LIST, list: { manifests: [] } },
])("RepositoryContent adds a referrer to the list $list of type $type", async ({ type, list }) => {
  await using scene = await makeScene();
  const { client, registry, repository } = scene;
  const body = JSON.stringify({ schemaVersion: 2, mediaType: type, ...list });
  const url = `http://${registry.host}/v2/a/b/manifests/${LIST}`;
  const init = { method: "PUT", headers: { "content-type": type }, body };
  await (await fetch(url, init)).body?.cancel();
  const other = buildArtifact({ artifactType: "application/x.vex", subject: IMAGE.descriptor });
  const target = new RepositoryContent(client, repository);

  await copyGraph(await memoryOf(IMAGE, other), target, other.descriptor);

  assertEquals(await scene.listed(), [other.descriptor.digest]);
});

Deno.test("copyGraph() lists a referrer even if the registry returns the subject for the fallback tag", async () => {
  // GitLab does so, and the subject may be an index as well.
  const index = buildIndex([IMAGE]);
  const signature = buildArtifact({ artifactType: "application/x.sig", subject: index.descriptor });
  const path = `/v2/a/b/manifests/${index.descriptor.digest.replace(":", "-")}`;
  let isListed = false;
  await using registry = writableRegistry({
    interfere: async (request, next) => {
      const { pathname, origin } = new URL(request.url);
      if (pathname.includes("/referrers/")) return new Response(null, { status: 404 });
      isListed ||= pathname === path && request.method === "PUT";
      const subject = new URL(`/v2/a/b/manifests/${index.descriptor.digest}`, origin);
      const answer = await next(
        pathname === path && !isListed ? new Request(subject, request) : request,
      );
      answer.headers.delete("oci-subject");
      return answer;
    },
  });
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);
  const target = new RepositoryContent(client, repository);

  const source = await memoryOf(index, IMAGE, signature);
  await copyGraph(source, target, index.descriptor, { withReferrers: true });

  const { digest } = index.descriptor;
  const { value } = await client.document({ ...repository, tag: digest.replace(":", "-") });
  const listed = value.kind === "index" ? value.value.manifests.map((entry) => entry.digest) : [];
  assertEquals(listed, [signature.descriptor.digest]);
});

Deno.test("RepositoryContent adds a referrer to the list of the registry, not to that of a mirror", async () => {
  await using mirror = await makeScene();
  await using scene = await makeScene();
  await mirror.client.delete(mirror.repository, SBOM.descriptor.digest);
  using client = testClient({
    mirrors: { [scene.registry.host]: [`http://${mirror.registry.host}`] },
  });
  const target = new RepositoryContent(client, scene.repository);
  const other = buildArtifact({ artifactType: "application/x.vex", subject: IMAGE.descriptor });

  await copyGraph(await memoryOf(IMAGE, other), target, other.descriptor);

  assertEquals(
    (await scene.listed()).toSorted(),
    [SBOM, SIGNATURE, other].map(({ descriptor }) => descriptor.digest).toSorted(),
  );
});
