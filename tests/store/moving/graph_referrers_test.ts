import { assert, assertEquals } from "@std/assert";
import { parseReference, RepositoryContent } from "../../../registry/mod.ts";
import { OCI_INDEX } from "../../../spec/mod.ts";
import {
  ContentStore,
  copyGraph,
  copyNamed,
  LayoutContent,
  MemoryContent,
} from "../../../store/mod.ts";
import { buildArtifact, jsonBlob, putBlobs, withBlobs } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { AMD64, ARM64, INDEX } from "../../_support/two_platforms.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { testClient } from "../../registry/_client.ts";

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

Deno.test("copyGraph() lists referrers that a killed copy has stored", async () => {
  await using dir = await makeTempDir();
  const source = await memoryOf(INDEX, SIGNATURE, COUNTERSIGNATURE, SBOM);
  const store = await ContentStore.open(dir.path);
  const target = new LayoutContent(store);
  await copyGraph(source, target, INDEX.descriptor);
  await putBlobs(store, SIGNATURE, COUNTERSIGNATURE);

  await copyGraph(source, target, INDEX.descriptor, { withReferrers: true });

  const referrers = await target.referrers(INDEX.descriptor);
  assertEquals(referrers.map(({ digest }) => digest), [SIGNATURE.descriptor.digest]);
  const others = await target.referrers(SIGNATURE.descriptor);
  assertEquals(others.map(({ digest }) => digest), [COUNTERSIGNATURE.descriptor.digest]);
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
