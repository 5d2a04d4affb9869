import { assertEquals } from "@std/assert";
import { DOCKER_MANIFEST, OCI_MANIFEST } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { DocumentLinks } from "../../../store/serving/_document_links.ts";
import { DocumentReader } from "../../../store/serving/_document_reader.ts";
import {
  blobOf,
  buildArtifact,
  type Built,
  jsonBlob,
  manifestOf,
  putBlobs,
  withBlobs,
} from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

const BLOB = blobOf("application/octet-stream", new Uint8Array([1]));

async function withLinks(
  documents: readonly Built[],
  maxBytes: number | undefined,
  use: (links: DocumentLinks) => Promise<void>,
): Promise<void> {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  for (const document of documents) await putBlobs(store, document);
  await use(new DocumentLinks(new DocumentReader(store), maxBytes));
}

Deno.test("DocumentLinks remembers links up to a total size", async () => {
  const documents = Array.from({ length: 4 }, (_, i) => {
    return manifestOf(BLOB, Array(1000).fill(BLOB), { annotations: { i: String(i) } });
  });
  await withLinks(documents, 400_000, async (links) => {
    for (const { descriptor } of documents) await links.read(descriptor);

    const known = documents.map(({ descriptor }) => links.known(descriptor) !== undefined);
    assertEquals(known, [false, false, true, true]);
  });
});

Deno.test("DocumentLinks remembers no long artifact types, but compares them", async () => {
  const a = `application/${"x".repeat(300)}a`;
  const padding = "x".repeat(5000);
  const subject = manifestOf(BLOB, []);
  const referrer = buildArtifact({
    artifactType: a,
    subject: subject.descriptor,
    annotations: { padding },
  });
  await withLinks([subject, referrer], undefined, async (links) => {
    const { descriptor } = referrer;
    assertEquals(await links.referrer(descriptor, `${a}b`), undefined);
    assertEquals(links.known(descriptor)?.artifactType, undefined);
    const found = { ...descriptor, artifactType: a, annotations: { padding } };
    assertEquals(await links.referrer(descriptor, a), found);
    assertEquals(await links.referrer(descriptor), found);
  });
});

Deno.test("DocumentLinks.referrer() repeats the media type under which a document is listed", async () => {
  const value = { schemaVersion: 2, config: BLOB.descriptor, layers: [], subject: BLOB.descriptor };
  const document = withBlobs(jsonBlob(OCI_MANIFEST, value), [BLOB]);
  await withLinks([document], undefined, async (links) => {
    for (const mediaType of [OCI_MANIFEST, DOCKER_MANIFEST]) {
      const descriptor = { ...document.descriptor, mediaType };
      assertEquals((await links.referrer(descriptor))?.mediaType, mediaType);
    }
  });
});
