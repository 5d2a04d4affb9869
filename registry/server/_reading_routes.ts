import { type Digest, isDigest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_MANIFEST_BYTES } from "../../spec/image/manifest.ts";
import { OCI_INDEX } from "../../spec/image/media_types.ts";
import { isTag } from "../reference.ts";
import { errorResponse, jsonResponse } from "./_server_response.ts";
import type { ContentRange, ReferrersQuery, RegistryContent } from "./registry_content.ts";

/** Answers `GET /v2/_catalog`. */
export async function getCatalog(content: RegistryContent, url: URL): Promise<Response> {
  const all = await content.repositories();
  return listResponse(url, all, (repositories) => ({ repositories }));
}

/** Answers `GET /v2/NAME/tags/list`. */
export async function getTags(content: RegistryContent, name: string, url: URL): Promise<Response> {
  const all = await content.tags(name);
  if (all.length === 0 && !await hasRepository(content, name)) return nameUnknown(name);
  return listResponse(url, all, (tags) => ({ name, tags }));
}

/** Returns the page of a list that the query of a URL requests: at most `n` items after `last`. */
function listResponse(
  url: URL,
  items: readonly string[],
  body: (page: readonly string[]) => unknown,
): Response {
  const { searchParams: query } = url;
  // An empty parameter counts as absent.
  const n = query.get("n") || null;
  const last = query.get("last");
  if (n !== null && !/^\d{1,15}$/.test(n)) {
    return errorResponse(400, "PAGINATION_NUMBER_INVALID", `"n" must be a number, not "${n}"`);
  }
  const rest = items.filter((item) => last === null || lexical(item, last) > 0).sort(lexical);
  const page = rest.slice(0, n === null ? rest.length : Number(n));
  const end = page.at(-1);
  const isLast = end === undefined || page.length === rest.length;
  return jsonResponse(
    body(page),
    isLast ? {} : nextLink(url, { n: String(page.length), last: end }),
  );
}

/** A route to content of a repository. */
export interface ContentRoute {
  readonly name: string;
  readonly reference: string;
}

/** Answers `GET /v2/NAME/manifests/REFERENCE`. */
export async function getManifest(
  content: RegistryContent,
  route: ContentRoute,
  request: Request,
): Promise<Response> {
  const { name, reference } = route;
  // Text that is neither a tag nor a digest is not found (404), not invalid (400).
  const isName = isTag(reference) || isDigest(reference);
  const descriptor = isName ? await content.resolve(name, reference) : undefined;
  if (descriptor === undefined) {
    return await hasRepository(content, name)
      ? errorResponse(404, "MANIFEST_UNKNOWN", `"${name}" has no manifest "${reference}"`)
      : nameUnknown(name);
  }
  const headers = contentHeaders(descriptor.digest, descriptor.mediaType);
  if (matchesTag(request.headers.get("if-none-match"), descriptor.digest)) {
    return new Response(null, { status: 304, headers });
  }
  headers.set("content-length", String(descriptor.size));
  return new Response(await body(content, name, descriptor, request), { headers });
}

/** Answers `GET /v2/NAME/blobs/DIGEST`. */
export async function getBlob(
  content: RegistryContent,
  route: ContentRoute,
  request: Request,
): Promise<Response> {
  const { name } = route;
  const digest = route.reference as Digest;
  const size = await content.size(name, digest);
  if (size === undefined) {
    return await hasRepository(content, name)
      ? errorResponse(404, "BLOB_UNKNOWN", `"${name}" has no blob ${digest}`)
      : nameUnknown(name);
  }
  const headers = contentHeaders(digest, "application/octet-stream");
  headers.set("accept-ranges", "bytes");
  if (matchesTag(request.headers.get("if-none-match"), digest)) {
    return new Response(null, { status: 304, headers });
  }
  const range = requestedRange(request, digest, size);
  if (range === "unsatisfiable") {
    const headers = { "content-range": `bytes */${size}` };
    return errorResponse(416, "RANGE_INVALID", `the blob has ${size} bytes`, headers);
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

/** Answers `GET /v2/NAME/referrers/DIGEST`. */
export async function getReferrers(
  content: RegistryContent,
  route: ContentRoute,
  url: URL,
): Promise<Response> {
  const artifactType = url.searchParams.get("artifactType") || undefined;
  const last = url.searchParams.get("last");
  const page = async (after: string | undefined) =>
    await referrersPage(eachReferrer(content, route, { artifactType, after }));
  let { manifests, next } = await page(last ?? undefined);
  // In the order of their digests, pages continue after a digest that has been deleted.
  if (last === null && next !== undefined) ({ manifests, next } = await page(""));
  return jsonResponse({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }, {
    "content-type": OCI_INDEX,
    ...artifactType === undefined ? {} : { "oci-filters-applied": "artifactType" },
    ...next === undefined ? {} : nextLink(url, { last: next }),
  });
}

async function* eachReferrer(
  content: RegistryContent,
  { name, reference }: ContentRoute,
  query: ReferrersQuery,
): AsyncGenerator<Descriptor> {
  const digest = reference as Digest;
  if (content.eachReferrer !== undefined) {
    return yield* content.eachReferrer(name, digest, query);
  }
  const { artifactType, after } = query;
  const found = (await content.referrers(name, digest))
    .filter((item) => artifactType === undefined || item.artifactType === artifactType);
  yield* after === undefined ? found : found.filter((item) => compare(item.digest, after) > 0)
    .sort((a, b) => compare(a.digest, b.digest));
}

/**
 * Returns the first descriptors, as many as fit into an index of the size that clients accept, at
 * least one. If there are more, `next` is the digest after which they continue.
 */
async function referrersPage(
  found: AsyncIterable<Descriptor>,
): Promise<{ manifests: readonly Descriptor[]; next?: string }> {
  // Room for the members around the list.
  let left = MAX_MANIFEST_BYTES - 1024;
  const encoder = new TextEncoder();
  const manifests: Descriptor[] = [];
  for await (const descriptor of found) {
    left -= encoder.encode(JSON.stringify(descriptor)).length + 1;
    const before = manifests.at(-1);
    if (left < 0 && before !== undefined) return { manifests, next: before.digest };
    manifests.push(descriptor);
  }
  return { manifests };
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
    // The digest covers the exact bytes, so proxies must not compress them.
    "cache-control": "no-transform",
  });
}

/** Parses the range: for GET only, ignored if `If-Range` names other bytes (RFC 9110). */
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

/** Returns whether a repository exists; it may have an alias that is not listed. */
async function hasRepository(content: RegistryContent, name: string): Promise<boolean> {
  if (content.exists !== undefined) return await content.exists(name);
  return (await content.repositories()).includes(name) || (await content.tags(name)).length > 0;
}

function nameUnknown(name: string): Response {
  return errorResponse(404, "NAME_UNKNOWN", `there is no repository "${name}"`);
}

/** Order of lists: case-insensitive, then capitals first. */
function lexical(a: string, b: string): number {
  return compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns the `Link` header (RFC 8288) of the next page. */
function nextLink(url: URL, query: Readonly<Record<string, string>>): { readonly link: string } {
  const next = new URLSearchParams(url.search);
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  return { link: `<${url.pathname}?${next}>; rel="next"` };
}

/**
 * Parses a `Range` header for content of `size` bytes: one range, all of it (`undefined`), or a
 * range that is beyond the end or ends before it starts.
 *
 * A header that is malformed, has another unit or several ranges is ignored, which RFC 9110,
 * section 14.2, leaves to the server.
 */
function parseRange(
  header: string | null,
  size: number,
): ContentRange | "unsatisfiable" | undefined {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(header ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return "unsatisfiable";
  return offset >= size ? "unsatisfiable" : { offset, length: end - offset + 1 };
}
