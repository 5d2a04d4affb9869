import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError, parseReference } from "../../../registry/mod.ts";
import { type Digest, LimitError, OciError, type RemoteImage } from "../../../spec/mod.ts";
import {
  type AttachmentSource,
  type AttestationKind,
  listAttestations,
  readAttestation,
  repositoryAttachments,
} from "../../../store/mod.ts";
import {
  blobOf,
  buildImage,
  buildIndex,
  type Built,
  type BuiltBlob,
  jsonBlob,
} from "../../_support/image.ts";
import {
  buildReferrer,
  envelopeBundle,
  makeKey,
  manifestOf,
  messageBundle,
  STATEMENT_TYPE,
  statementAbout,
} from "../../_support/signing.ts";
import { file, tar, toUint8Array } from "../../_support/tar.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { memoryOf, pushBuilt } from "../../cache/moving/_pushed.ts";
import { testClient } from "../../registry/_client.ts";

const AMD64 = buildImage({ layers: [tar(file("a", "amd64"))] });
const ARM64 = buildImage({ layers: [tar(file("a", "arm64"))], platform: "linux/arm64" });
const SPDX = "https://spdx.dev/Document";
const SLSA = "https://slsa.dev/provenance/v1";
const CYCLONEDX = "https://cyclonedx.org/bom";
const KEY = makeKey();

/** A statement as BuildKit stores it. */
function statementBlob(digest: Digest, predicateType: string, predicate: unknown): BuiltBlob {
  const statement = statementAbout(digest, {
    predicateType,
    predicate,
    statementType: "https://in-toto.io/Statement/v0.1",
  });
  const { bytes, descriptor } = jsonBlob(STATEMENT_TYPE, statement);
  const annotations = { "in-toto.io/predicate-type": predicateType };
  return { bytes, descriptor: { ...descriptor, annotations } };
}

/** An entry of an index with the attestations of an image, as BuildKit writes it. */
function attestationEntry(image: Built, blobs: readonly BuiltBlob[]) {
  const config = jsonBlob("application/vnd.oci.image.config.v1+json", {
    architecture: "unknown",
    os: "unknown",
    config: {},
    rootfs: { type: "layers", diff_ids: blobs.map(({ descriptor }) => descriptor.digest) },
  });
  return {
    built: manifestOf(config, blobs),
    descriptor: {
      platform: { os: "unknown", architecture: "unknown" },
      annotations: {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": image.descriptor.digest,
      },
    },
  };
}

/** An index with an SBOM and provenance for each platform. */
function attestedIndex(): Built {
  const entries = [AMD64, ARM64].map((image, i) => {
    const { digest } = image.descriptor;
    return attestationEntry(image, [
      statementBlob(digest, SPDX, { spdxVersion: "SPDX-2.3", name: `image ${i}` }),
      statementBlob(digest, SLSA, { buildDefinition: { buildType: `build ${i}` } }),
    ]);
  });
  return buildIndex([AMD64, ARM64, ...entries]);
}

/** A registry with an image and its attachments. */
async function makeScene(image: Built, attached: readonly (readonly [string, Built])[] = []) {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry());
  const client = stack.use(testClient());
  await pushBuilt(registry, "a/b:v1", image);
  for (const [tag, built] of attached) await pushBuilt(registry, `a/b:${tag}`, built);
  const reference = parseReference(`${registry.host}/a/b:v1`);
  const source = repositoryAttachments(client, reference);
  const owned = stack.move();
  return {
    registry,
    source,
    image: (platform: string): Promise<RemoteImage> => client.image(reference, { platform }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

type Scene = Awaited<ReturnType<typeof makeScene>>;

/** The types of the attestations, and the text of the first one. */
async function readAll(scene: Scene, kind: AttestationKind, platform = "linux/amd64") {
  const image = await scene.image(platform);
  scene.registry.forget();
  const all = await listAttestations(scene.source, image, kind);
  const [first] = all;
  const bytes = first && await readAttestation(scene.source, first);
  return {
    types: all.map(({ type }) => type),
    text: bytes && new TextDecoder().decode(bytes),
    blobs: scene.registry.seen().filter((line) => line.includes("/blobs/")).length,
  };
}

Deno.test.each([
  { platform: "linux/amd64", name: "image 0", build: "build 0" },
  { platform: "linux/arm64", name: "image 1", build: "build 1" },
])("listAttestations() finds what BuildKit attached for $platform", async (row) => {
  await using scene = await makeScene(attestedIndex());

  const sbom = await readAll(scene, "sbom", row.platform);
  const provenance = await readAll(scene, "provenance", row.platform);

  const predicate = (value: unknown) => `${JSON.stringify(value)}\n`;
  assertEquals(sbom, {
    types: [SPDX],
    text: predicate({ spdxVersion: "SPDX-2.3", name: row.name }),
    blobs: 1,
  });
  assertEquals(provenance, {
    types: [SLSA],
    text: predicate({ buildDefinition: { buildType: row.build } }),
    blobs: 1,
  });
});

const SBOM_FILE = '{"spdxVersion": "SPDX-2.3", "big": 12345678901234567890}';
const REFERRERS: readonly {
  readonly what: string;
  readonly tag?: string;
  readonly built: Built;
  readonly type: string;
  readonly text: string;
  readonly blobs?: number;
}[] = [
  {
    what: "a file of oras",
    built: buildReferrer(AMD64.descriptor, toUint8Array(SBOM_FILE), {
      type: "application/spdx+json",
    }),
    type: "application/spdx+json",
    text: SBOM_FILE,
  },
  {
    what: "a file of oras with a generic type",
    built: buildReferrer(AMD64.descriptor, toUint8Array("<bom/>"), {
      type: "application/octet-stream",
      artifactType: "application/vnd.cyclonedx+xml",
    }),
    type: "application/vnd.cyclonedx+xml",
    text: "<bom/>",
  },
  {
    what: "a bundle whose manifest tells its type",
    built: buildReferrer(
      AMD64.descriptor,
      envelopeBundle(KEY, AMD64.descriptor.digest, { predicateType: CYCLONEDX, predicate: [1] }),
      { annotations: { "dev.sigstore.bundle.predicateType": CYCLONEDX } },
    ),
    type: CYCLONEDX,
    text: "[1]\n",
  },
  {
    what: "a bundle that alone tells its type",
    built: buildReferrer(
      AMD64.descriptor,
      envelopeBundle(KEY, AMD64.descriptor.digest, { predicateType: SPDX, predicate: "text" }),
    ),
    type: SPDX,
    text: "text\n",
    blobs: 2,
  },
  {
    what: "an SBOM of cosign",
    tag: `${AMD64.descriptor.digest.replace(":", "-")}.sbom`,
    built: manifestOf(jsonBlob("application/vnd.oci.image.config.v1+json", {}), [
      blobOf("text/spdx", toUint8Array("SPDXVersion: SPDX-2.3\n")),
    ]),
    type: "text/spdx",
    text: "SPDXVersion: SPDX-2.3\n",
  },
  {
    what: "an attestation of cosign",
    tag: `${AMD64.descriptor.digest.replace(":", "-")}.att`,
    built: manifestOf(
      jsonBlob("application/vnd.oci.image.config.v1+json", {}),
      [SLSA, SPDX].map((predicateType) => {
        const { digest } = AMD64.descriptor;
        const bundle = envelopeBundle(KEY, digest, { predicateType, predicate: {} });
        const blob = jsonBlob("application/vnd.dsse.envelope.v1+json", bundle.dsseEnvelope);
        return { ...blob, descriptor: { ...blob.descriptor, annotations: { predicateType } } };
      }),
    ),
    type: SPDX,
    text: "{}\n",
  },
];
Deno.test.each(REFERRERS)("listAttestations() finds $what", async (row) => {
  const signature = buildReferrer(AMD64.descriptor, messageBundle(KEY, AMD64), {
    annotations: { "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1" },
  });
  const attached = [["none", signature], [row.tag ?? "none", row.built]] as const;
  await using scene = await makeScene(AMD64, attached);

  const { type, text, blobs = 1 } = row;
  assertEquals(await readAll(scene, "sbom"), { types: [type], text, blobs });
});

Deno.test("listAttestations() finds attachments of the index, and each blob once", async () => {
  const index = buildIndex([AMD64, ARM64]);
  const content = toUint8Array(SBOM_FILE);
  const type = { type: "application/spdx+json" };
  await using scene = await makeScene(index, [
    ["none", buildReferrer(index.descriptor, content, type)],
    ["none", buildReferrer(AMD64.descriptor, content, type)],
  ]);

  assertEquals((await readAll(scene, "sbom")).types, ["application/spdx+json"]);
  assertEquals((await readAll(scene, "sbom", "linux/arm64")).types, ["application/spdx+json"]);
  assertEquals((await readAll(scene, "provenance")).types, []);
});

Deno.test("listAttestations() finds nothing in 150,000 referrers without content", async () => {
  const { mediaType, size } = AMD64.descriptor;
  const referrers = Array.from({ length: 150_000 }, (_, number) => {
    const digest: Digest = `sha256:${String(number).padStart(64, "0")}`;
    return { mediaType, digest, size, artifactType: "application/vnd.in-toto+json" };
  });
  const missing = new OciError("it is missing", { code: "missing-content", action: "read it" });
  const source: AttachmentSource = {
    fetch: () => Promise.reject(missing),
    resolve: () => Promise.resolve(undefined),
    referrers: () => Promise.resolve(referrers),
  };
  const image = { indexes: [], manifest: { descriptor: AMD64.descriptor } };

  const found = await listAttestations(source, image as unknown as RemoteImage, "sbom");

  assertEquals(found, []);
});

Deno.test("listAttestations() skips damaged bundles, and statements about other images", async () => {
  const { digest } = ARM64.descriptor;
  const other = envelopeBundle(KEY, digest, { predicateType: SPDX });
  await using scene = await makeScene(AMD64, [
    ["none", buildReferrer(AMD64.descriptor, other)],
    ["none", buildReferrer(AMD64.descriptor, toUint8Array("{"))],
    ["none", buildReferrer(AMD64.descriptor, { dsseEnvelope: 1 })],
    ["none", buildReferrer(AMD64.descriptor, messageBundle(KEY, AMD64))],
  ]);

  assertEquals((await readAll(scene, "sbom")).types, []);
});

Deno.test("listAttestations() reads at most 100 blobs to find their types", async () => {
  const manifests = [0, 1, 2].map((m) => {
    return manifestOf(
      AMD64.config,
      Array.from({ length: 60 }, (_, n) => {
        return jsonBlob(STATEMENT_TYPE, { m, n });
      }),
    );
  });
  const content = await memoryOf(...manifests);
  let reads = 0;
  const source: AttachmentSource = {
    resolve: () => Promise.resolve(undefined),
    referrers: () => {
      return Promise.resolve(manifests.map(({ descriptor }) => {
        return { ...descriptor, artifactType: STATEMENT_TYPE };
      }));
    },
    fetch: (descriptor, options) => {
      if (descriptor.mediaType === STATEMENT_TYPE) reads++;
      return content.fetch(descriptor, options);
    },
  };
  await using scene = await makeScene(AMD64);

  const found = await listAttestations(source, await scene.image("linux/amd64"), "sbom");

  assertEquals([found, reads], [[], 100]);
});

Deno.test("listAttestations() skips attestations that cannot be reached, if there are others", async () => {
  const all = Array.from({ length: 9 }, (_, n) => {
    const type = "application/spdx+json";
    return buildReferrer(AMD64.descriptor, toUint8Array(`{"n":${n}}`), { type });
  });
  const content = await memoryOf(...all);
  const failure = new NetworkError("Cannot reach it", { url: "http://h/", reason: "refused" });
  let reads = 0;
  const sourceOf = (unreachable: number): AttachmentSource => ({
    resolve: () => Promise.reject(failure),
    referrers: () => {
      return Promise.resolve(all.map(({ descriptor }) => {
        return { ...descriptor, artifactType: "application/spdx+json" };
      }));
    },
    fetch: (descriptor, options) => {
      reads++;
      const i = all.findIndex((one) => one.descriptor.digest === descriptor.digest);
      return i < unreachable ? Promise.reject(failure) : content.fetch(descriptor, options);
    },
  });
  await using scene = await makeScene(AMD64);
  const image = await scene.image("linux/amd64");

  const found = await listAttestations(sourceOf(3), image, "sbom");

  assertEquals(found.length, 6);
  reads = 0;
  await assertRejects(() => listAttestations(sourceOf(9), image, "sbom"), NetworkError);
  assertEquals(reads, 4);
});

Deno.test("readAttestation() rejects a statement about another image", async () => {
  const entry = attestationEntry(AMD64, [statementBlob(ARM64.descriptor.digest, SPDX, {})]);
  await using scene = await makeScene(buildIndex([AMD64, entry]));

  await assertRejects(
    () => readAll(scene, "sbom"),
    SyntaxError,
    `it is not a statement about ${AMD64.descriptor.digest}`,
  );
});

Deno.test("readAttestation() rejects more than 64 MiB without a request", async () => {
  const blob = statementBlob(AMD64.descriptor.digest, SPDX, {});
  await using scene = await makeScene(AMD64);
  const huge = { ...blob.descriptor, size: 64 * 1024 * 1024 + 1 };
  scene.registry.forget();

  await assertRejects(
    () => readAttestation(scene.source, { type: SPDX, blob: huge, subjects: [] }),
    LimitError,
  );
  assertEquals(scene.registry.seen(), []);
});
