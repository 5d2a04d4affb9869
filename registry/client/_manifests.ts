import { type Descriptor, embeddedData } from "../../spec/descriptor.ts";
import { digestOf, isDigest } from "../../spec/digest.ts";
import type { ImageDocument } from "../../spec/image.ts";
import { type ManifestDocument, parseManifest } from "../../spec/manifest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isIndexMediaType,
  isManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../spec/media_types.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import type { Answer } from "../transport/answer.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { isPage, mediaTypeOf, pageError } from "../transport/page.ts";
import { redactUrl } from "../transport/redact.ts";
import type { Registry } from "./_registry.ts";
import type { Reference } from "../reference.ts";

const ACCEPT = [OCI_INDEX, OCI_MANIFEST, DOCKER_MANIFEST_LIST, DOCKER_MANIFEST].join(", ");
/** Answers to `HEAD` that say nothing about the manifest: `GET` is what every registry has. */
const NO_HEAD = [400, 404, 405, 406, 500, 501, 502, 503, 504];

/** What is needed to read manifests. */
export interface ManifestContext {
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly maxBytes: number;
  readonly maxLayers: number;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Reads and verifies the manifest or index of a reference. */
export async function readManifest(
  registry: Registry,
  reference: Reference,
  context: ManifestContext,
): Promise<ImageDocument<ManifestDocument>> {
  return await registry.call({
    ...context,
    method: "GET",
    repository: reference.repository,
    path: manifestPath(reference),
    headers: { accept: ACCEPT },
  }, async (answer) => {
    const bytes = await readBoundedBody(answer, context.maxBytes, {
      limit: "manifest bytes",
      option: "maxManifestBytes",
    });
    if (isPage(answer, bytes.length)) throw pageError(answer, context.task);
    const header = answer.headers.get("docker-content-digest");
    const digest = reference.digest ?? (isDigest(header) ? header : digestOf(bytes));
    await verifyBytes(bytes, { digest }, redactUrl(answer.url));
    return toDocument(bytes, { digest, mediaType: mediaTypeOf(answer) }, context.maxLayers);
  });
}

/** Reads and verifies a manifest that an index names. */
export async function readNestedManifest(
  registry: Registry,
  repository: Reference,
  entry: Descriptor,
  context: ManifestContext,
): Promise<ImageDocument<ManifestDocument>> {
  const { registry: host, repository: name } = repository;
  const { digest, size } = entry;
  let bytes = embeddedData(entry);
  if (bytes === undefined) {
    const reference = { registry: host, repository: name, digest };
    ({ bytes } = await readManifest(registry, reference, context));
    await verifyBytes(bytes, { digest, size });
  }
  // However it was served: in the store it has the type that the index says.
  return toDocument(bytes, entry, context.maxLayers);
}

/**
 * Asks what a reference stands for, by `HEAD`, and by `GET` where that does not tell digest,
 * size and media type.
 */
export async function resolveManifest(
  registry: Registry,
  reference: Reference,
  context: ManifestContext,
): Promise<Descriptor> {
  const descriptor = await registry.call({
    ...context,
    method: "HEAD",
    repository: reference.repository,
    path: manifestPath(reference),
    headers: { accept: ACCEPT },
    accept: NO_HEAD,
  }, (answer) => Promise.resolve(describeHead(answer, reference)));
  return descriptor ?? (await readManifest(registry, reference, context)).descriptor;
}

function manifestPath({ tag, digest }: Reference): string {
  return `manifests/${digest ?? tag ?? "latest"}`;
}

function describeHead(answer: Answer, reference: Reference): Descriptor | undefined {
  const digest = answer.headers.get("docker-content-digest");
  const length = answer.headers.get("content-length") ?? "";
  const mediaType = mediaTypeOf(answer);
  const isComplete = answer.status === 200 && isDigest(digest) && /^[0-9]+$/.test(length) &&
    (isIndexMediaType(mediaType) || isManifestMediaType(mediaType));
  if (!isComplete || (reference.digest !== undefined && reference.digest !== digest)) {
    return undefined;
  }
  return { mediaType, digest, size: Number(length) };
}

function toDocument(
  bytes: Uint8Array<ArrayBuffer>,
  { digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">,
  maxLayers: number,
): ImageDocument<ManifestDocument> {
  const value = parseManifest(bytes, mediaType, maxLayers);
  const descriptor = { mediaType: value.value.mediaType, digest, size: bytes.length };
  return { descriptor, bytes, value };
}
