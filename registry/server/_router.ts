import type { Digest } from "../../spec/digest.ts";
import type { RegistryContent } from "../registry_content.ts";
import { deleteManifest, type ManifestRouteContext, putManifest } from "./_manifest_routes.ts";
import { getBlob, getCatalog, getManifest, getReferrers, getTags } from "./_reading_routes.ts";
import { emptyResponse, failure, jsonResponse } from "./_server_response.ts";
import { parseRoute, type Route } from "./_server_route.ts";
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
      return failure(403, "DENIED", "web pages may not write to the registry");
    }
  }
  const route = parseRoute(url.pathname);
  if (route instanceof Response) return route;
  const endpoint = endpointOf(content, writing, route, request, url) ?? uploadUnknown();
  if (endpoint instanceof Response) return endpoint;
  const answer = Object.hasOwn(endpoint, method) ? endpoint[method] : undefined;
  return await answer?.() ?? notAllowed(Object.keys(endpoint), `the endpoint has no ${method}`);
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
      const { name, reference } = route;
      const reading = { GET: () => getManifest(content, route, request) };
      return writing === undefined ? reading : {
        ...reading,
        PUT: () => putManifest(writing, name, reference, request, query),
        DELETE: () => deleteManifest(writing.content, name, reference),
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
  { name, reference }: { readonly name: string; readonly reference: string },
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
  { name, reference }: { readonly name: string; readonly reference: string },
): Promise<Response> {
  return await content.deleteBlob(name, reference as Digest)
    ? emptyResponse(202)
    : failure(404, "BLOB_UNKNOWN", `"${name}" has no blob ${reference}`);
}

function notAllowed(methods: readonly string[], message: string): Response {
  const allowed = methods.flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
  return failure(405, "UNSUPPORTED", message, { allow: allowed.join(", ") });
}

function uploadUnknown(): Response {
  return failure(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload");
}
