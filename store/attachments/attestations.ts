import { NotFoundError } from "../../registry/errors.ts";
import type { Digest } from "../../spec/digest.ts";
import { OciError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import type { Manifest } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { documentError, JsonReader } from "../../spec/json_reader.ts";
import { digestName } from "../../spec/verifier.ts";
import { readContent, readDocument } from "../moving/read_content.ts";
import { memberBytes } from "./_member_bytes.ts";
import { NetworkFailures } from "./_network_failures.ts";
import { BUNDLE, IN_TOTO, parseStatement, readEnvelope, type Statement } from "./_statement.ts";
import type { AttachmentSource } from "./attachment_source.ts";

/** Kind of an attestation: the contents of an image, or how it was built. */
export type AttestationKind = "sbom" | "provenance";

/** Patterns of the media and predicate types of each kind. */
const KINDS: Readonly<Record<AttestationKind, RegExp>> = {
  sbom: /spdx|cyclonedx|syft/i,
  provenance: /provenance/i,
};
/** Artifact types of manifests that may have attestations of any kind. */
const WRAPPED = /in-toto|dsse|sigstore|attestation/i;
/** Annotation of a bundle's manifest that has the predicate type. */
const PREDICATE_TYPE = "dev.sigstore.bundle.predicateType";
/** Media types of DSSE envelopes. */
const ENVELOPES = ["application/vnd.dsse.envelope.v1+json", "application/vnd.dsse.envelope+json"];

/** Maximum number of manifests to read, of layers in each, and of blobs to read for their types. */
const MAX_READS = 100;
const MAX_BYTES = 64 * 1024 * 1024;

/** An SBOM or the provenance of an image, which has not been read yet. */
export interface Attestation {
  /** Predicate type of a statement, such as `https://spdx.dev/Document`; media type of a file. */
  readonly type: string;
  /** The blob with the statement or the file. */
  readonly blob: Descriptor;
  /** Digests that a statement may be about: those of the image and its indexes. */
  readonly subjects: readonly Digest[];
}

/** Options for {@linkcode listAttestations} and {@linkcode readAttestation}. */
export interface AttestationOptions {
  /** Aborts the reads. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Lists the SBOMs or the provenance of an image for one platform: those that BuildKit adds to the
 * index, referrers such as those of `oras attach` and `cosign attest`, and those under cosign's tags.
 * Does not verify signatures.
 *
 * @param source Place that has them.
 * @param image The image.
 * @param kind What to look for.
 * @param options Abort signal.
 * @returns The attestations, each blob once. Only blobs whose type is not declared have been read.
 *
 * @example Read the SBOM of an image
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { listAttestations, readAttestation, repositoryAttachments } from "@x/oci/store";
 * import { assert, assertEquals } from "@std/assert";
 *
 * const reference = parseReference("alpine:3.20");
 * using client = new RemoteClient();
 * const image = await client.image(reference, { platform: "linux/amd64" });
 * const source = repositoryAttachments(client, reference);
 *
 * const [sbom] = await listAttestations(source, image, "sbom");
 * assert(sbom !== undefined);
 * const text = new TextDecoder().decode(await readAttestation(source, sbom));
 *
 * assertEquals(JSON.parse(text).spdxVersion, "SPDX-2.3");
 * ```
 */
export async function listAttestations(
  source: AttachmentSource,
  image: Pick<RemoteImage, "indexes" | "manifest">,
  kind: AttestationKind,
  options: AttestationOptions = {},
): Promise<readonly Attestation[]> {
  const { signal } = options;
  const documents = [image.manifest, ...image.indexes].map(({ descriptor }) => descriptor);
  const subjects = documents.map(({ digest }) => digest);
  const found = new Map<Digest, Attestation>();
  const failures = new NetworkFailures();
  let reads = 0;
  const manifests = await manifestsOf(source, image, kind, { documents, failures, signal });
  for (const entry of manifests.slice(0, MAX_READS)) {
    const manifest = await ifPresent(() => readDocument(source, entry, signal), failures);
    if (manifest?.kind !== "manifest") continue;
    for (const blob of manifest.value.layers.slice(0, MAX_READS)) {
      const type = typeOf(manifest.value, blob) ??
        (reads++ < MAX_READS
          ? await ifPresent(() => readType(source, blob, subjects, signal), failures)
          : undefined);
      if (type === undefined || !KINDS[kind].test(type)) continue;
      found.set(blob.digest, { type, blob, subjects });
    }
  }
  if (found.size === 0) failures.throwIfAny();
  return [...found.values()];
}

/** Lists the manifests that may have attestations of a kind. */
async function manifestsOf(
  source: AttachmentSource,
  { indexes, manifest }: Pick<RemoteImage, "indexes" | "manifest">,
  kind: AttestationKind,
  { documents, failures, signal }: {
    readonly documents: readonly Descriptor[];
    readonly failures: NetworkFailures;
    readonly signal: AbortSignal | undefined;
  },
): Promise<readonly Descriptor[]> {
  const { digest } = manifest.descriptor;
  const found = indexes.flatMap(({ value }) => value.manifests).filter(({ annotations = {} }) => {
    return annotations["vnd.docker.reference.type"] === "attestation-manifest" &&
      annotations["vnd.docker.reference.digest"] === digest;
  });
  const reach = async <T>(lookup: () => Promise<T> | undefined): Promise<T | undefined> => {
    try {
      return await lookup();
    } catch (error) {
      if (!failures.note(error)) throw error;
      return undefined;
    }
  };
  for (const document of documents) {
    const referrers = await reach(() => source.referrers?.(document, { signal })) ?? [];
    for (const referrer of referrers) if (mayHaveAttestation(referrer, kind)) found.push(referrer);
    for (const suffix of kind === "sbom" ? ["sbom", "att"] : ["att"]) {
      const tag = `${digestName(document.digest)}.${suffix}`;
      const tagged = await reach(() => source.resolve(tag, { signal }));
      if (tagged !== undefined) found.push(tagged);
    }
  }
  return [...new Map(found.map((entry) => [entry.digest, entry])).values()];
}

function mayHaveAttestation(
  { mediaType, artifactType = "", annotations = {} }: Descriptor,
  kind: AttestationKind,
): boolean {
  const predicateType = annotations[PREDICATE_TYPE];
  const mayHave = predicateType === undefined && WRAPPED.test(artifactType);
  return isDocumentMediaType(mediaType) &&
    (mayHave || KINDS[kind].test(predicateType ?? artifactType));
}

/** Returns the declared type of a layer; `undefined` if it must be read from the blob. */
function typeOf(
  { artifactType, annotations: all = {} }: Manifest,
  { mediaType, annotations = {} }: Descriptor,
): string | undefined {
  const predicateType = annotations["in-toto.io/predicate-type"] ?? annotations["predicateType"] ??
    all[PREDICATE_TYPE];
  if (predicateType !== undefined || isWrapper(mediaType)) return predicateType;
  // Files often have a generic media type.
  const isKnown = Object.values(KINDS).some((regexp) => regexp.test(mediaType));
  return isKnown ? mediaType : artifactType ?? mediaType;
}

function isWrapper(mediaType: string): boolean {
  return mediaType === IN_TOTO || mediaType.startsWith(BUNDLE) || ENVELOPES.includes(mediaType);
}

async function readType(
  source: AttachmentSource,
  blob: Descriptor,
  subjects: readonly Digest[],
  signal: AbortSignal | undefined,
): Promise<string> {
  const bytes = await readContent(source, blob, MAX_BYTES, signal);
  return unwrap(bytes, subjects).statement.predicateType;
}

/**
 * Reads an SBOM or the provenance of an image.
 *
 * @param source Place that has it.
 * @param attestation The attestation, one of {@linkcode listAttestations}.
 * @param options Abort signal.
 * @returns The bytes of a file, or the predicate of a statement and a newline. For a predicate that
 * is a string, such as an SBOM that is not JSON, its text.
 * @throws {SyntaxError} If a statement is damaged, or about another image.
 * @throws {DigestMismatchError} If the bytes do not match their digest.
 * @throws {LimitError} If it is larger than 64 MiB.
 *
 * @example Read the SBOM of an image in a layout
 * ```ts
 * import { copy, pull } from "@x/oci";
 * import {
 *   collectionAttachments,
 *   ContentStore,
 *   listAttestations,
 *   readAttestation,
 * } from "@x/oci/store";
 * import { assert, assertEquals } from "@std/assert";
 *
 * await copy("alpine:3.20", "oci:./layout:v1", { withReferrers: true });
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const source = collectionAttachments(await ContentStore.open("./layout"));
 *
 * const [sbom] = await listAttestations(source, image, "sbom");
 * assert(sbom !== undefined);
 * const text = new TextDecoder().decode(await readAttestation(source, sbom));
 *
 * assertEquals(JSON.parse(text).name, "alpine");
 * ```
 */
export async function readAttestation(
  source: AttachmentSource,
  { blob, subjects }: Attestation,
  options: AttestationOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readContent(source, blob, MAX_BYTES, options.signal);
  if (!isWrapper(blob.mediaType)) return bytes;
  const predicate = memberBytes(unwrap(bytes, subjects).payload, "predicate");
  const text = predicate === undefined ? "null" : new TextDecoder().decode(predicate);
  return new TextEncoder().encode(`${text.startsWith('"') ? JSON.parse(text) : text}\n`);
}

/** Returns the statement in a bundle, an envelope or the bytes themselves. */
function unwrap(
  bytes: Uint8Array<ArrayBuffer>,
  subjects: readonly Digest[],
): { readonly payload: Uint8Array<ArrayBuffer>; readonly statement: Statement } {
  const json = JsonReader.parse(bytes, "attestation");
  const envelope = json.maybe("dsseEnvelope") ?? (json.maybe("payload") && json);
  const payload = envelope === undefined ? bytes : readEnvelope(envelope).payload;
  const statement = parseStatement(payload);
  if (!subjects.some((digest) => statement.isAbout(digest))) {
    throw documentError(json.path, `it is not a statement about ${subjects[0]}`);
  }
  return { payload, statement };
}

/** Reads content; `undefined` if it is missing, invalid or unreachable. */
async function ifPresent<T>(
  read: () => Promise<T>,
  failures: NetworkFailures,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const isMissing = error instanceof NotFoundError ||
      (error instanceof OciError && error.code === "missing-content");
    if (isMissing || error instanceof SyntaxError || failures.count(error)) return undefined;
    throw error;
  }
}
