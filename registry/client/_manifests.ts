import { digestOf, isDigest } from "../../spec/digest.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { type Descriptor, embeddedData } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import { type ManifestDocument, parseManifest } from "../../spec/image/manifest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isIndexMediaType,
  isManifestMediaType,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../../spec/image/media_types.ts";
import { formatPlatform } from "../../spec/platform.ts";
import { assertVerifiable } from "../../spec/verifier.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import { NotFoundError } from "../errors.ts";
import type { Reference } from "../reference.ts";
import { readDocumentBody } from "../transport/bounded_body.ts";
import { contentCodings } from "../transport/content_coding.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import type { MissingContent } from "../transport/registry_error.ts";

/** Accepted types of manifests and indexes. */
export const MANIFEST_ACCEPT: string = [
  OCI_INDEX,
  OCI_MANIFEST,
  DOCKER_MANIFEST_LIST,
  DOCKER_MANIFEST,
].join(", ");
/** Statuses of a rejected `HEAD`, after which `GET` may work: all registries support it. */
export const NO_HEAD: readonly number[] = Array.from({ length: 200 }, (_, i) => 400 + i);

/** Context for reading manifests. */
export interface ManifestContext extends Pick<ApiRequest, "task" | "signal" | "onWarning"> {
  readonly maxBytes: number;
  readonly maxLayers: number;
}

/** Reads and verifies the manifest or index of a reference. */
export async function readManifest(
  registry: Registry,
  reference: Reference,
  context: ManifestContext,
  entry?: Descriptor,
): Promise<ImageDocument<ManifestDocument>> {
  return await registry.call({
    ...context,
    method: "GET",
    repository: reference.repository,
    path: manifestPath(reference),
    headers: { accept: MANIFEST_ACCEPT },
    content: entry === undefined ? namedContent(reference) : childContent(entry),
  }, async (response) => {
    const header = response.headers.get("docker-content-digest");
    const expected = reference.digest ?? (isDigest(header) ? header : undefined);
    const bytes = await readDocumentBody(response, { digest: expected, size: entry?.size }, {
      limit: "manifest bytes",
      option: "maxManifestBytes",
      maxBytes: context.maxBytes,
    });
    const digest = expected ?? digestOf(bytes);
    return toDocument(bytes, { digest, mediaType: response.mediaType }, context.maxLayers);
  });
}

/** Reads and verifies a manifest from an index. */
export async function readNestedManifest(
  registry: Registry,
  repository: Reference,
  entry: Descriptor,
  context: ManifestContext,
): Promise<ImageDocument<ManifestDocument>> {
  const { digest } = entry;
  assertVerifiable(digest);
  let bytes = embeddedData(entry);
  if (bytes === undefined) {
    ({ bytes } = await readManifest(registry, { ...repository, digest }, context, entry));
  }
  // The store uses the media type in the index, not the served one.
  return toDocument(bytes, entry, context.maxLayers);
}

/**
 * Resolves a reference by `HEAD`, or by `GET` if that does not return digest, size and media type.
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
    headers: { accept: MANIFEST_ACCEPT },
    accept: NO_HEAD,
  }, (response) => describeHead(response, reference));
  return descriptor ?? (await readManifest(registry, reference, context)).descriptor;
}

/** Describes the content of a reference for errors. */
function namedContent({ tag, digest }: Reference): MissingContent {
  return digest === undefined
    ? { kind: "tag", name: `the tag "${tag ?? "latest"}"` }
    : { kind: "manifest", name: `the manifest ${digest}` };
}

function childContent({ digest, platform }: Descriptor): MissingContent {
  const of = platform === undefined ? "" : ` for ${formatPlatform(platform)}`;
  return { kind: "child", name: `the manifest ${digest}${of}, named by its index` };
}

function manifestPath({ tag, digest }: Reference): string {
  return `manifests/${digest ?? tag ?? "latest"}`;
}

/**
 * Returns the descriptor from the response to a `HEAD`; `undefined` if the response is incomplete.
 */
export function describeHead(response: HttpResponse, reference: Reference): Descriptor | undefined {
  const digest = response.headers.get("docker-content-digest");
  const length = response.headers.get("content-length") ?? "";
  const mediaType = response.mediaType;
  // Some registries return 0 (Nexus), or the length after a content coding.
  const hasSize = /^[0-9]+$/.test(length) && Number(length) > 0 &&
    contentCodings(response).length === 0;
  const isComplete = response.status === 200 && isDigest(digest) && hasSize &&
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

/** Waits for content; `undefined` if the registry does not have it. */
export async function ifFound<T>(content: Promise<T>): Promise<T | undefined> {
  return await unlessRejected(content, NotFoundError);
}
