import type { Descriptor } from "../../spec/descriptor.ts";
import { type Digest, isDigest } from "../../spec/digest.ts";
import { MAX_MANIFEST_BYTES } from "../../spec/manifest.ts";
import { OCI_INDEX } from "../../spec/media_types.ts";
import { lexical, nextLink, type Page, paginate } from "./_server_pages.ts";
import { parseRange } from "./_server_range.ts";
import { failure, finish, jsonResponse } from "./_server_response.ts";
import { parseRoute, type Route } from "./_server_route.ts";
import type { RegistryContent } from "../registry_content.ts";

/** One request that the embedded registry has answered. */
export interface RegistryRequest {
  /** Method, such as `GET`. */
  readonly method: string;
  /** Path and query of the URL. */
  readonly path: string;
  /** Status of the answer. */
  readonly status: number;
}

/** Options for {@linkcode createRegistryHandler}. */
export interface RegistryHandlerOptions {
  /**
   * Decides who may read. It gives the response that refuses a request, such as 401 with a
   * challenge, or `undefined` to let the request pass.
   *
   * @default Everybody may.
   */
  readonly authenticate?: (
    request: Request,
  ) => Response | undefined | Promise<Response | undefined>;
  /** Is told of each request when the head of its answer is ready. */
  readonly onRequest?: (request: RegistryRequest) => void;
  /** Is told what went wrong where the client is told nothing but 500. */
  readonly onError?: (error: unknown, request: Request) => void;
}

/** Answers one request, as `Deno.serve` wants it. */
export type RegistryHandler = (request: Request) => Promise<Response>;

/**
 * Makes an HTTP handler that serves content as an OCI registry: the pull half of the
 * {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md | distribution specification}
 * 1.1, with discovery (tags, referrers) and Docker's catalog.
 *
 * Bytes are served exactly as the content has them, whatever the `Accept` header lists, as they
 * cannot be converted without changing their digest; `Content-Type` says what they are. Bodies
 * are streamed as fast as the client reads, and their source is cancelled when it goes away.
 * Requests that would write are refused with `UNSUPPORTED`.
 *
 * @param content What is served.
 * @param options Hooks.
 * @returns The handler. It answers failures of `content` with 500 and does not throw.
 *
 * @example A registry without a network
 * ```ts
 * import { createRegistryHandler } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const handler = createRegistryHandler({
 *   repositories: () => Promise.resolve(["library/alpine"]),
 *   tags: () => Promise.resolve(["3.20", "latest"]),
 *   resolve: () => Promise.resolve(undefined),
 *   size: () => Promise.resolve(undefined),
 *   open: () => Promise.reject(new Deno.errors.NotFound()),
 *   referrers: () => Promise.resolve([]),
 * });
 * const response = await handler(new Request("http://localhost/v2/library/alpine/tags/list?n=1"));
 *
 * assertEquals(await response.json(), { name: "library/alpine", tags: ["3.20"] });
 * ```
 */
export function createRegistryHandler(
  content: RegistryContent,
  options: RegistryHandlerOptions = {},
): RegistryHandler {
  const { authenticate, onRequest, onError } = options;
  const answer = async (request: Request, url: URL): Promise<Response> => {
    try {
      return await authenticate?.(request) ?? await route(content, request, url);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) {
        // Content that is removed between two looks at it.
        return failure(404, "BLOB_UNKNOWN", "the content is no longer there");
      }
      onError?.(error, request);
      return failure(500, "UNKNOWN", "the registry failed to read its content");
    }
  };
  return async (request) => {
    const url = URL.parse(request.url);
    const response = finish(url === null ? noHost() : await answer(request, url), request);
    const path = url === null ? request.url : `${url.pathname}${url.search}`;
    onRequest?.({ method: request.method, path, status: response.status });
    return response;
  };
}

async function route(content: RegistryContent, request: Request, url: URL): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    const refused = failure(405, "UNSUPPORTED", "the registry is read-only");
    refused.headers.set("allow", "GET, HEAD");
    return refused;
  }
  const route = parseRoute(url.pathname);
  if (route instanceof Response) return route;
  switch (route.kind) {
    case "root":
      return jsonResponse({});
    case "catalog":
      return await catalog(content, url);
    case "tags":
      return await tags(content, route.name, url);
    case "manifest":
      return await manifest(content, route, request);
    case "blob":
      return await blob(content, route, request);
    case "referrers":
      return await referrers(content, route, url);
  }
}

async function catalog(content: RegistryContent, url: URL): Promise<Response> {
  const page = paginate([...await content.repositories()].sort(lexical), url.searchParams);
  return page instanceof Response ? page : listResponse(url, page, { repositories: page.items });
}

async function tags(content: RegistryContent, name: string, url: URL): Promise<Response> {
  const all = await content.tags(name);
  if (all.length === 0 && !await hasRepository(content, name)) return nameUnknown(name);
  const page = paginate([...all].sort(lexical), url.searchParams);
  return page instanceof Response ? page : listResponse(url, page, { name, tags: page.items });
}

function listResponse(url: URL, page: Page, value: unknown): Response {
  const response = jsonResponse(value);
  if (page.next !== undefined) response.headers.set("link", nextLink(url, page.next));
  return response;
}

type ContentRoute = Route & { readonly kind: "manifest" | "blob" | "referrers" };

async function manifest(
  content: RegistryContent,
  route: ContentRoute,
  request: Request,
): Promise<Response> {
  const { name, reference } = route;
  const descriptor = isNamed(reference) ? await content.resolve(name, reference) : undefined;
  if (descriptor === undefined) {
    return await hasRepository(content, name)
      ? failure(404, "MANIFEST_UNKNOWN", `"${name}" has no manifest "${reference}"`)
      : nameUnknown(name);
  }
  const headers = contentHeaders(descriptor.digest, descriptor.mediaType);
  if (matchesTag(request.headers.get("if-none-match"), descriptor.digest)) {
    return new Response(null, { status: 304, headers });
  }
  headers.set("content-length", String(descriptor.size));
  return new Response(await body(content, name, descriptor, request), { headers });
}

/** What is no tag and no digest names nothing, which is 404 and not 400. */
function isNamed(reference: string): boolean {
  return isDigest(reference) || /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(reference);
}

async function blob(
  content: RegistryContent,
  route: ContentRoute,
  request: Request,
): Promise<Response> {
  const { name } = route;
  const digest = route.reference as Digest;
  const size = await content.size(name, digest);
  if (size === undefined) {
    return await hasRepository(content, name)
      ? failure(404, "BLOB_UNKNOWN", `"${name}" has no blob ${digest}`)
      : nameUnknown(name);
  }
  const headers = contentHeaders(digest, "application/octet-stream");
  headers.set("accept-ranges", "bytes");
  if (matchesTag(request.headers.get("if-none-match"), digest)) {
    return new Response(null, { status: 304, headers });
  }
  const range = requestedRange(request, digest, size);
  if (range === "unsatisfiable") {
    const refused = failure(416, "RANGE_INVALID", `the blob has ${size} bytes`);
    refused.headers.set("content-range", `bytes */${size}`);
    return refused;
  }
  if (range === undefined) {
    headers.set("content-length", String(size));
    return new Response(await body(content, name, { digest, size }, request), { headers });
  }
  const { offset, length } = range;
  headers.set("content-length", String(length));
  headers.set("content-range", `bytes ${offset}-${offset + length - 1}/${size}`);
  return new Response(await content.open(name, digest, range), { status: 206, headers });
}

async function referrers(
  content: RegistryContent,
  route: ContentRoute,
  url: URL,
): Promise<Response> {
  const artifactType = url.searchParams.get("artifactType") ?? "";
  const found = (await content.referrers(route.name, route.reference as Digest))
    .filter((item) => artifactType === "" || item.artifactType === artifactType);
  const from = url.searchParams.get("last");
  const start = from === null ? 0 : found.findIndex(({ digest }) => digest === from) + 1;
  const { manifests, last } = referrersPage(found.slice(start));
  const response = jsonResponse({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, OCI_INDEX);
  if (artifactType !== "") response.headers.set("oci-filters-applied", "artifactType");
  if (last !== undefined) response.headers.set("link", nextLink(url, { last }));
  return response;
}

/** As many descriptors as an index of the size that clients accept can hold, at least one. */
function referrersPage(
  found: readonly Descriptor[],
): { manifests: readonly Descriptor[]; last?: string } {
  // Room for what stands around the list.
  let left = MAX_MANIFEST_BYTES - 1024;
  const encoder = new TextEncoder();
  for (const [i, descriptor] of found.entries()) {
    left -= encoder.encode(JSON.stringify(descriptor)).length + 1;
    const before = found[i - 1];
    if (left < 0 && before) return { manifests: found.slice(0, i), last: before.digest };
  }
  return { manifests: found };
}

async function body(
  content: RegistryContent,
  name: string,
  { digest, size }: Pick<Descriptor, "digest" | "size">,
  request: Request,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>> | null> {
  return request.method === "HEAD" || size === 0 ? null : await content.open(name, digest);
}

function contentHeaders(digest: Digest, mediaType: string): Headers {
  return new Headers({
    "content-type": mediaType,
    "docker-content-digest": digest,
    "etag": `"${digest}"`,
    // The digest is that of the bytes as they are: no proxy on the way may compress them.
    "cache-control": "no-transform",
  });
}

/** Ranges are for GET alone, and void if `If-Range` names another representation (RFC 9110). */
function requestedRange(
  request: Request,
  digest: Digest,
  size: number,
): ReturnType<typeof parseRange> {
  const ifRange = request.headers.get("if-range");
  if (request.method !== "GET" || ifRange !== null && ifRange !== `"${digest}"`) return undefined;
  return parseRange(request.headers.get("range"), size);
}

function matchesTag(header: string | null, digest: Digest): boolean {
  if (header === null) return false;
  return header.split(",").map((tag) => tag.trim().replace(/^W\//, ""))
    .some((tag) => tag === "*" || tag === `"${digest}"`);
}

/** Whether there is a repository; one may have a second name, which is not listed. */
async function hasRepository(content: RegistryContent, name: string): Promise<boolean> {
  return (await content.repositories()).includes(name) || (await content.tags(name)).length > 0;
}

function noHost(): Response {
  return failure(400, "UNSUPPORTED", "the Host header names no host");
}

function nameUnknown(name: string): Response {
  return failure(404, "NAME_UNKNOWN", `there is no repository "${name}"`);
}
