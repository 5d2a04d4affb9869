import { type Digest, isDigest } from "../../spec/digest.ts";
import { isRepositoryName } from "../reference.ts";
import type { RegistryContent } from "./registry_content.ts";
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

/** Context of the routes that write. */
export type WritingContext = UploadRouteContext & ManifestRouteContext;

/** A parsed path of the registry. */
type Route =
  | { readonly kind: "root" | "catalog" }
  | { readonly kind: "tags" | "uploads"; readonly name: string }
  | ContentRoute & { readonly kind: "manifest" | "blob" | "referrers" | "upload" };

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
  const route = parseRoute(url.pathname);
  if (route instanceof Response) return route;
  const endpoint = endpointOf(content, writing, route, request, url) ?? uploadUnknown();
  if (endpoint instanceof Response) return endpoint;
  const answer = Object.hasOwn(endpoint, method) ? endpoint[method] : undefined;
  return await answer?.() ?? notAllowed(Object.keys(endpoint), `the endpoint has no ${method}`);
}

const KINDS = { manifests: "manifest", blobs: "blob", referrers: "referrers" } as const;

/** Parses a path, or returns the response for an invalid one. */
function parseRoute(pathname: string): Route | Response {
  let path: string;
  try {
    // Some clients escape the colon of a digest.
    path = decodeURIComponent(pathname);
  } catch {
    return noRoute(pathname);
  }
  if (path === "/v2" || path === "/v2/") return { kind: "root" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  const tags = /^\/v2\/(.+)\/tags\/list$/s.exec(path)?.[1];
  if (tags !== undefined) return badName(tags) ?? { kind: "tags", name: tags };
  const [, owner, id = ""] = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/s.exec(path) ?? [];
  if (owner !== undefined) {
    return badName(owner) ??
      (id === ""
        ? { kind: "uploads", name: owner }
        : { kind: "upload", name: owner, reference: id });
  }
  const match = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/s.exec(path);
  if (match === null) return noRoute(pathname);
  const [, name = "", folder = "", reference = ""] = match;
  const kind = KINDS[folder as keyof typeof KINDS];
  // A tag has no colon. A malformed one is not found, like one that does not exist.
  const digestNeeded = kind !== "manifest" || reference.includes(":");
  if (digestNeeded && !isDigest(reference)) {
    return badName(name) ??
      errorResponse(400, "DIGEST_INVALID", `"${reference}" is not a sha256 or sha512 digest`);
  }
  return badName(name) ?? { kind, name, reference };
}

function badName(name: string): Response | undefined {
  if (isRepositoryName(name)) return undefined;
  return errorResponse(400, "NAME_INVALID", `"${name}" is not the name of a repository`);
}

function noRoute(pathname: string): Response {
  return errorResponse(404, "UNSUPPORTED", `the registry has no endpoint "${pathname}"`);
}

/** Returns the endpoint of a route; `undefined` if the upload does not exist. */
function endpointOf(
  content: RegistryContent,
  writing: WritingContext | undefined,
  route: Route,
  request: Request,
  url: URL,
): Endpoint | undefined {
  const query = url.searchParams;
  switch (route.kind) {
    case "root":
      return { GET: () => jsonResponse({}) };
    case "catalog":
      return { GET: () => getCatalog(content, url) };
    case "tags":
      return { GET: () => getTags(content, route.name, url) };
    case "referrers":
      return { GET: () => getReferrers(content, route, url) };
    case "manifest": {
      const reading = { GET: () => getManifest(content, route, request) };
      return writing === undefined ? reading : {
        ...reading,
        PUT: () => putManifest(writing, route, request, query),
        DELETE: () => deleteManifest(writing.content, route),
      };
    }
    case "blob": {
      const reading = { GET: () => getBlob(content, route, request) };
      return writing === undefined
        ? reading
        : { ...reading, DELETE: () => deleteBlob(writing, route) };
    }
    case "uploads":
      return writing && { POST: () => postUpload(writing, route.name, request, query) };
    case "upload":
      return writing && uploadEndpoint(writing, route, request, query);
  }
}

function uploadEndpoint(
  writing: WritingContext,
  { name, reference }: ContentRoute,
  request: Request,
  query: URLSearchParams,
): Endpoint | undefined {
  const session = writing.sessions.get(name, reference);
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

function uploadUnknown(): Response {
  return errorResponse(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
}
