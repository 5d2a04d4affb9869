import { unlessThrown } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { isObject } from "../../spec/json.ts";
import { parseJson } from "../../spec/json_reader.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import { RegistryError } from "../errors.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { redactUrl } from "../transport/redact.ts";
import { nextPage } from "./_next_page.ts";

const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
/** Maximum size of all pages: callers may keep all names in memory. */
export const MAX_LIST_BYTES: number = 64 * 1024 * 1024;
/** Statuses of registries that reject a page size (Quay, ECR); retry without one. */
const NO_PAGE_SIZE = [400, 405, 406, 413, 414, 416, 422, 501];

/** Context for reading a list. Its path is that of the list, such as `tags/list`. */
export interface ListContext extends Omit<ApiRequest, "method" | "accept"> {
  /** Member of the response with the list, such as `tags`. */
  readonly member: string;
}

/** A page of the list, with the address of the next one. */
interface Page {
  readonly items: readonly string[];
  readonly size: number;
  /** Throws if the next page is not part of this list. */
  readonly next: () => string | undefined;
}

/**
 * Reads a list of names, such as tags, page by page in the order of the registry. A repeated page
 * is an error, except an empty page that links to itself.
 */
export async function* listPages(registry: Registry, context: ListContext): AsyncGenerator<string> {
  const seen = new Set<string>();
  let size = 0;
  for (let next: string | undefined = firstPath(context); next !== undefined;) {
    if (seen.has(next)) {
      throw new RegistryError(
        `${registry.endpoint.registry} links a page of the list to itself`,
        { ...context.task, status: 200, url: next },
      );
    }
    seen.add(next);
    if (seen.size > MAX_PAGES) throw new LimitError("pages", MAX_PAGES, seen.size, "a list");
    const page: Page | undefined = await readPage(registry, next, context);
    if (page === undefined) {
      next = context.path;
      continue;
    }
    size += page.size;
    if (size > MAX_LIST_BYTES) {
      throw new LimitError("bytes", MAX_LIST_BYTES, size, "a list");
    }
    yield* page.items;
    const following = page.next();
    // Some registries link an empty last page to itself.
    next = page.items.length === 0 && following === next ? undefined : following;
  }
}

/** Reads a page; returns `undefined` if the registry rejects the page size. */
async function readPage(
  registry: Registry,
  path: string,
  context: ListContext,
): Promise<Page | undefined> {
  const { member, ...request } = context;
  const isFirst = path === firstPath(context);
  return await registry.call({
    ...request,
    method: "GET",
    path,
    accept: isFirst ? NO_PAGE_SIZE : [],
  }, async (response) => {
    if (response.status !== 200) return undefined;
    const bytes = await readBoundedBody(response, MAX_LIST_BYTES, { limit: "bytes of a page" });
    const items = parseNames(bytes, member);
    if (items !== undefined) {
      // An invalid link fails when it is followed, after the names of this page.
      return { items, size: bytes.length, next: () => nextPage(response, path) };
    }
    if (response.isWebPage(bytes.length)) throw response.webPageError();
    throw response.error(`the response from ${redactUrl(response.url)} is not a valid list`);
  });
}

function firstPath({ path }: ListContext): string {
  return `${path}?n=${PAGE_SIZE}`;
}

function parseNames(bytes: Uint8Array, member: string): readonly string[] | undefined {
  const body = unlessThrown(() => parseJson(bytes, "a page of a list"), SyntaxError);
  // Go encodes an empty list as null, and other servers omit it.
  if (!isObject(body) || !(member in body || "name" in body)) return undefined;
  const items = body[member] ?? [];
  if (!Array.isArray(items)) return undefined;
  // Some registries add null (Nexus, skopeo#2409) or digests (Artifactory, skopeo#2346) to tags.
  const names = items.filter((item) => item !== null && item !== "");
  if (!names.every((name) => typeof name === "string")) return undefined;
  return names.filter((name) => !name.includes(":"));
}
