import { type Digest, isDigest } from "../../spec/digest.ts";
import { isRepositoryName } from "../reference.ts";
import { deleteManifest, type ManifestRouteContext, putManifest } from "./_manifest_routes.ts";
import {
  type ContentRoute,
  getBlob,
  getCatalog,
  getManifest,
  getReferrers,
  getTags,
} from "./_reading_routes.ts";
import { emptyResponse, errorResponse, jsonResponse } from "./_server_response.ts";
import {
  deleteUpload,
  getUpload,
  patchUpload,
  postUpload,
  putUpload,
  type UploadRouteContext,
} from "./_upload_routes.ts";
import type { RegistryContent } from "./registry_content.ts";

/** Context of the routes that write. */
export type WritingContext = UploadRouteContext & ManifestRouteContext;

/** Handlers of an endpoint by method. HEAD is GET without the body. */
type Endpoint = Readonly<Record<string, () => Response | Promise<Response>>>;

/**
 * Answers a request.
 *
 * @param writing Context for writes; `undefined` if the registry is read-only.
 */
export async function routeRequest(
  content: RegistryContent,
  writing: WritingContext | undefined,
  request: Request,
  url: URL,
): Promise<Response> {
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (method !== "GET") {
    if (writing === undefined) {
      const { readOnlyReason: reason } = content;
      const why = reason === undefined ? "" : `: ${reason}`;
      return notAllowed(["GET"], `the registry is read-only${why}`);
    }
    // Browsers send the origin of a page; registry clients are not web pages.
    if (request.headers.has("origin")) {
      return errorResponse(403, "DENIED", "web pages may not write to the registry");
    }
  }
  const endpoint = findEndpoint(content, writing, request, url);
  if (endpoint instanceof Response) return endpoint;
  const answer = Object.hasOwn(endpoint, method) ? endpoint[method] : undefined;
  return await answer?.() ?? notAllowed(Object.keys(endpoint), `the endpoint has no ${method}`);
}

/** Finds the endpoint at the path of a request, or the response if there is none. */
function findEndpoint(
  content: RegistryContent,
  writing: WritingContext | undefined,
  request: Request,
  url: URL,
): Endpoint | Response {
  const { pathname, searchParams: query } = url;
  let path: string;
  try {
    // Some clients escape the colon of a digest.
    path = decodeURIComponent(pathname);
  } catch {
    return noEndpoint(pathname);
  }
  if (path === "/v2" || path === "/v2/") return { GET: () => jsonResponse({}) };
  if (path === "/v2/_catalog") return { GET: () => getCatalog(content, url) };
  const tags = /^\/v2\/(.+)\/tags\/list$/s.exec(path)?.[1];
  if (tags !== undefined) return badName(tags) ?? { GET: () => getTags(content, tags, url) };
  const [, owner, id = ""] = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/s.exec(path) ?? [];
  if (owner !== undefined) {
    return badName(owner) ?? (writing && uploadEndpoint(writing, owner, id, request, query)) ??
      errorResponse(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
  }
  const match = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/s.exec(path);
  if (match === null) return noEndpoint(pathname);
  const [, name = "", folder, reference = ""] = match;
  const refusal = badName(name);
  if (refusal !== undefined) return refusal;
  // A tag has no colon. A malformed one is not found, like one that does not exist.
  const isTag = folder === "manifests" && !reference.includes(":");
  if (!isTag && !isDigest(reference)) {
    const message = `"${reference}" is not a sha256 or sha512 digest`;
    return errorResponse(400, "DIGEST_INVALID", message);
  }
  const route = { name, reference };
  if (folder === "referrers") return { GET: () => getReferrers(content, route, url) };
  if (folder === "blobs") {
    const reading = { GET: () => getBlob(content, route, request) };
    return writing ? { ...reading, DELETE: () => deleteBlob(writing, route) } : reading;
  }
  const reading = { GET: () => getManifest(content, route, request) };
  return writing === undefined ? reading : {
    ...reading,
    PUT: () => putManifest(writing, route, request, query),
    DELETE: () => deleteManifest(writing.content, route),
  };
}

function badName(name: string): Response | undefined {
  if (isRepositoryName(name)) return undefined;
  return errorResponse(400, "NAME_INVALID", `"${name}" is not the name of a repository`);
}

function noEndpoint(pathname: string): Response {
  return errorResponse(404, "UNSUPPORTED", `the registry has no endpoint "${pathname}"`);
}

/** Returns the endpoint of an upload, or of all if `id` is empty; `undefined` if it is unknown. */
function uploadEndpoint(
  writing: WritingContext,
  name: string,
  id: string,
  request: Request,
  query: URLSearchParams,
): Endpoint | undefined {
  if (id === "") return { POST: () => postUpload(writing, name, request, query) };
  const session = writing.sessions.get(name, id);
  return session && {
    GET: () => getUpload(session),
    PATCH: () => patchUpload(writing, session, request),
    PUT: () => putUpload(writing, session, request, query),
    DELETE: () => deleteUpload(writing, session),
  };
}

async function deleteBlob(
  { content }: WritingContext,
  { name, reference }: ContentRoute,
): Promise<Response> {
  return await content.deleteBlob(name, reference as Digest)
    ? emptyResponse(202)
    : errorResponse(404, "BLOB_UNKNOWN", `"${name}" has no blob ${reference}`);
}

function notAllowed(methods: readonly string[], message: string): Response {
  const allowed = methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
  return errorResponse(405, "UNSUPPORTED", message, { allow: allowed.join(", ") });
}
