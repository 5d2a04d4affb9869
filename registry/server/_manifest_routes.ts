import { digestOf, isDigest } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { type ManifestDocument, parseManifest } from "../../spec/image/manifest.ts";
import { layerMediaType } from "../../spec/image/media_types.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import { isTag } from "../reference.ts";
import type { ContentRoute } from "./_reading_routes.ts";
import { readBody } from "./_request_body.ts";
import { emptyResponse, errorResponse, jsonResponse } from "./_server_response.ts";
import type { WritableRegistryContent } from "./registry_content.ts";

/** Context of the manifest routes. */
export interface ManifestRouteContext {
  readonly content: WritableRegistryContent;
  readonly maxManifestBytes: number;
  readonly allowSparseIndexes: boolean;
}

/** Maximum number of layers, more than any tool creates. */
const MAX_PUSHED_LAYERS = 4096;
/** Maximum number of tags in a request. The specification requires at least ten. */
const MAX_TAGS = 100;
/** Maximum number of missing blobs to report. */
const MAX_NAMED = 20;

/** Answers `PUT /v2/NAME/manifests/REFERENCE`. */
export async function putManifest(
  context: ManifestRouteContext,
  { name, reference }: ContentRoute,
  request: Request,
  query: URLSearchParams,
): Promise<Response> {
  const { content, maxManifestBytes } = context;
  const isByDigest = isDigest(reference);
  const tags = isByDigest ? [...new Set(query.getAll("tag"))] : [reference];
  if (tags.length > MAX_TAGS) {
    return errorResponse(414, "TAG_INVALID", `a request may name at most ${MAX_TAGS} tags`);
  }
  const badTag = tags.find((tag) => !isTag(tag));
  if (badTag !== undefined) return errorResponse(400, "TAG_INVALID", `"${badTag}" is not a tag`);
  const bytes = await readBody(request, maxManifestBytes);
  if (bytes === undefined) {
    return errorResponse(
      413,
      "SIZE_INVALID",
      `a manifest may have at most ${maxManifestBytes} bytes`,
    );
  }
  const digest = digestOf(bytes, isByDigest ? digestAlgorithm(reference) : "sha256");
  if (isByDigest && digest !== reference) {
    return errorResponse(400, "DIGEST_INVALID", `the digest of the manifest is ${digest}`);
  }
  const document = parse(bytes, request.headers.get("content-type") ?? undefined);
  if (document instanceof Response) return document;
  const problems = await findProblems(context, name, document);
  if (problems !== undefined) return problems;
  const descriptor = { mediaType: document.value.mediaType, digest, size: bytes.length };
  await content.putManifest(name, descriptor, bytes, tags);
  const headers = new Headers({
    "location": `/v2/${name}/manifests/${digest}`,
    "docker-content-digest": digest,
  });
  const { subject } = document.value;
  if (subject !== undefined) headers.set("oci-subject", subject.digest);
  if (isByDigest) { for (const tag of tags) headers.append("oci-tag", tag); }
  return emptyResponse(201, headers);
}

/** Answers `DELETE /v2/NAME/manifests/REFERENCE`. */
export async function deleteManifest(
  content: WritableRegistryContent,
  { name, reference }: ContentRoute,
): Promise<Response> {
  const isDeleted = isDigest(reference)
    ? await content.deleteManifest(name, reference)
    : await content.deleteTag(name, reference);
  return isDeleted
    ? emptyResponse(202)
    : errorResponse(404, "MANIFEST_UNKNOWN", `"${name}" has no manifest "${reference}"`);
}

function parse(
  bytes: Uint8Array<ArrayBuffer>,
  mediaType: string | undefined,
): ManifestDocument | Response {
  try {
    return parseManifest(bytes, mediaType, MAX_PUSHED_LAYERS);
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof LimitError)) throw error;
    return errorResponse(400, "MANIFEST_INVALID", error.message);
  }
}

/** Checks that everything that a document refers to exists, except its subject. */
async function findProblems(
  { content, allowSparseIndexes }: ManifestRouteContext,
  name: string,
  { kind, value }: ManifestDocument,
): Promise<Response | undefined> {
  if (kind === "index" && allowSparseIndexes) return undefined;
  const children = kind === "index"
    ? value.manifests
    : [value.config, ...value.layers.filter((layer) => !mayBeMissing(layer))];
  const missing: unknown[] = [];
  const wanted = new Map(children.map((child) => [child.digest, child]));
  const sizes = await content.sizes?.(name, [...wanted.keys()]);
  for (const { digest, size } of wanted.values()) {
    const found = sizes === undefined ? await content.size(name, digest) : sizes.get(digest);
    if (found === undefined) {
      const message = `"${name}" does not have ${digest}`;
      missing.push({ code: "MANIFEST_BLOB_UNKNOWN", message, detail: { digest } });
      if (missing.length >= MAX_NAMED) break;
    } else if (found !== size) {
      const message = `${digest} has ${found} bytes, not ${size}`;
      return errorResponse(400, "MANIFEST_INVALID", message);
    }
  }
  return missing.length === 0 ? undefined : jsonResponse({ errors: missing }, {}, 404);
}

/** Returns whether a layer may be missing: it is non-distributable or has URLs. */
function mayBeMissing({ mediaType, urls = [] }: Descriptor): boolean {
  return layerMediaType(mediaType)?.nondistributable === true || urls.length > 0;
}
