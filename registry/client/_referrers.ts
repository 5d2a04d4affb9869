import type { Digest } from "../../spec/digest.ts";
import { LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { type Index, MAX_INDEX_ENTRIES, parseManifest } from "../../spec/image/manifest.ts";
import { isDocumentMediaType, isIndexMediaType } from "../../spec/image/media_types.ts";
import { artifactTypeOf, referrersTag } from "../../spec/image/referrers.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import type { Reference } from "../reference.ts";
import { TaskGroup } from "../tasks/task_group.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { redactUrl } from "../transport/redact.ts";
import { MAX_LIST_BYTES } from "./_list_pages.ts";
import { ifFound, type ManifestContext, readManifest, readNestedManifest } from "./_manifests.ts";
import { nextPage } from "./_next_page.ts";

/** Statuses of registries without the referrers API (ggcr#1647, ggcr#1962). */
const NO_REFERRERS = [400, 404, 405, 406, 410, 501];

/** Maximum number of pages: each may be empty, and name another one. */
const MAX_PAGES = 1_000;

/** A page, with the address of the next one. */
interface ReferrersPage {
  readonly index: Index;
  readonly size: number;
  readonly isFiltered: boolean;
  readonly next: string | undefined;
}

/**
 * Lists the descriptors of the referrers of a digest, by the API of the distribution specification
 * 1.1, or by its fallback tag in registries without the API.
 */
export async function readReferrers(
  registry: Registry,
  reference: Reference & { readonly digest: Digest },
  artifactType: string | undefined,
  context: ManifestContext,
): Promise<readonly Descriptor[]> {
  const { digest } = reference;
  const query = artifactType === undefined
    ? ""
    : `?artifactType=${encodeURIComponent(artifactType)}`;
  const found: Descriptor[] = [];
  const seen = new Set<string>();
  let size = 0;
  const wanted = (entry: Descriptor) => {
    return artifactType === undefined || entry.artifactType === artifactType;
  };
  for (let path: string | undefined = `referrers/${digest}${query}`; path !== undefined;) {
    seen.add(path);
    if (seen.size > MAX_PAGES) throw new LimitError("pages", MAX_PAGES, seen.size, digest);
    // A registry that has sent a page supports the API.
    const accept = seen.size === 1 ? NO_REFERRERS : [];
    const content = { name: "the list of referrers" };
    const request = { path, repository: reference.repository, accept, content };
    const page: ReferrersPage | undefined = await readPage(registry, request, context);
    if (page === undefined) {
      return (await readFallback(registry, reference, context)).filter(wanted);
    }
    size += page.size;
    if (size > MAX_LIST_BYTES) {
      throw new LimitError("referrers bytes", MAX_LIST_BYTES, size, digest);
    }
    const { manifests } = page.index;
    found.push(...(page.isFiltered ? manifests : manifests.filter(wanted)));
    if (found.length > MAX_INDEX_ENTRIES) {
      throw new LimitError("referrers", MAX_INDEX_ENTRIES, found.length, digest);
    }
    path = page.next !== undefined && seen.has(page.next) ? undefined : page.next;
  }
  return found;
}

/** Reads a page; returns `undefined` if the registry does not support the API. */
async function readPage(
  registry: Registry,
  request: Pick<ApiRequest, "path" | "repository" | "accept" | "content">,
  context: ManifestContext,
): Promise<ReferrersPage | undefined> {
  return await registry.call({ ...context, ...request, method: "GET" }, async (response) => {
    if (response.status !== 200) return undefined;
    const bytes = await readBoundedBody(response, context.maxBytes, { limit: "referrers bytes" });
    const isWebPage = response.isWebPage(bytes.length);
    const index = isWebPage ? undefined : parseIndex(bytes, response.mediaType);
    if (index === undefined) {
      // Some servers return a web page for unknown addresses.
      if (request.accept === NO_REFERRERS) return undefined;
      if (isWebPage) throw response.webPageError();
      throw response.error(`the response from ${redactUrl(response.url)} is not an index`);
    }
    const filters = response.headers.get("oci-filters-applied") ?? "";
    return {
      index,
      size: bytes.length,
      isFiltered: filters.split(",").some((filter) => filter.trim() === "artifactType"),
      next: nextPage(response, request.path),
    };
  });
}

/**
 * Parses a page. Returns `undefined` for another document without the type of an index, such as
 * gateways send for unknown addresses.
 */
function parseIndex(bytes: Uint8Array, mediaType: string): Index | undefined {
  try {
    const document = parseManifest(bytes);
    return document.kind === "index" ? document.value : undefined;
  } catch (error) {
    if (!(error instanceof SyntaxError) || isIndexMediaType(mediaType)) throw error;
    return undefined;
  }
}

/**
 * Reads the fallback tag. Its content must be an index of manifests with the right subject: GitLab
 * returns the subject itself (oras-go#1396).
 */
async function readFallback(
  registry: Registry,
  reference: Reference & { readonly digest: Digest },
  context: ManifestContext,
): Promise<readonly Descriptor[]> {
  const { digest, ...repository } = reference;
  const tag = referrersTag(digest);
  const document = await ifFound(readManifest(registry, { ...repository, tag }, context));
  if (document === undefined || document.value.kind !== "index") return [];
  if (document.descriptor.digest === digest) return [];
  const checks = new TaskGroup(context.signal);
  const { signal } = checks;
  const checked = document.value.value.manifests.map((entry) =>
    checks.run(() => checkReferrer(registry, reference, entry, { ...context, signal }))
  );
  await checks.join();
  return (await Promise.all(checked)).flat();
}

/** Returns an entry of the fallback tag, with its type, if it is a referrer. */
async function checkReferrer(
  registry: Registry,
  reference: Reference & { readonly digest: Digest },
  entry: Descriptor,
  context: ManifestContext,
): Promise<readonly Descriptor[]> {
  // The subject of a document of an unknown type cannot be read.
  if (!isDocumentMediaType(entry.mediaType)) return [entry];
  const referrer = await ifFound(readNestedManifest(registry, reference, entry, context));
  if (referrer?.value.value.subject?.digest !== reference.digest) return [];
  // Writers of the tag may omit the type; the API fills it in.
  const artifactType = entry.artifactType ?? artifactTypeOf(referrer.value);
  return [artifactType === undefined ? entry : { ...entry, artifactType }];
}
