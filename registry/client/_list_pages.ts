import { LimitError } from "../../spec/errors.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { nextPage } from "../transport/link.ts";
import { redactUrl } from "../transport/redact.ts";
import type { Registry } from "./_registry.ts";
import { RegistryError } from "../errors.ts";

const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 64 * 1024 * 1024;
/** Answers of registries that refuse the size of a page (Quay, ECR): the list comes without it. */
const NO_PAGE_SIZE = [400, 405, 406, 413, 414, 416, 422, 501];

/** What is needed to read a list. */
export interface ListContext {
  /** The repository; empty for what belongs to none. */
  readonly repository: string;
  /** The rest of the path, such as `tags/list`. */
  readonly path: string;
  /** The member of the answer that holds the list, such as `tags`. */
  readonly member: string;
  /** What a token is asked for, unless it is to pull from the repository. */
  readonly scope?: string | undefined;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** One page of the list, and where the next one is. */
interface Page {
  readonly items: readonly string[];
  /** Throws if the registry names something else than a page of this list. */
  readonly next: () => string | undefined;
}

/**
 * Reads a list of names, such as tags, page by page, as the registry orders them. A list that names
 * one of its pages twice is an error.
 */
export async function* listPages(registry: Registry, context: ListContext): AsyncGenerator<string> {
  const seen = new Set<string>();
  for (let next: string | undefined = firstPath(context); next !== undefined;) {
    if (seen.has(next)) {
      throw new RegistryError(
        `Cannot ${context.task}: ${registry.endpoint.registry} names a page of the list as its ` +
          "own successor",
        { status: 200, url: next },
      );
    }
    seen.add(next);
    if (seen.size > MAX_PAGES) throw new LimitError("pages", MAX_PAGES, seen.size, "a list");
    const page: Page | undefined = await readPage(registry, next, context);
    if (page === undefined) {
      next = context.path;
      continue;
    }
    yield* page.items;
    next = page.next();
  }
}

/** Reads a page; `undefined` if the registry refuses the size that the first one asks for. */
async function readPage(
  registry: Registry,
  path: string,
  context: ListContext,
): Promise<Page | undefined> {
  const { task, member } = context;
  const isFirst = path === firstPath(context);
  return await registry.call({
    ...requestOf(context),
    method: "GET",
    path,
    accept: isFirst ? NO_PAGE_SIZE : [],
  }, async (answer) => {
    if (answer.status !== 200) return undefined;
    const bytes = await readBoundedBody(answer, MAX_PAGE_BYTES, { limit: "bytes of a page" });
    const items = parseNames(bytes, member);
    if (items !== undefined) {
      // A link that leads elsewhere fails when it is followed, after the names of this page.
      return { items, next: () => nextPage(answer, { path, task }) };
    }
    const url = redactUrl(answer.url);
    throw new RegistryError(`Cannot ${task}: ${url} is not the list it should be`, {
      status: answer.status,
      url,
    });
  });
}

function firstPath({ path }: ListContext): string {
  return `${path}?n=${PAGE_SIZE}`;
}

function requestOf({ repository, scope, task, signal, onWarning }: ListContext) {
  return { repository, scope, task, signal, onWarning };
}

function parseNames(bytes: Uint8Array, member: string): readonly string[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null) return undefined;
  // Go writes an empty list as null, and others leave it out.
  const isOne = member in body || "name" in body;
  if (!isOne) return undefined;
  const names: unknown = (body as Record<string, unknown>)[member] ?? [];
  const isList = Array.isArray(names) && names.every((name) => typeof name === "string");
  return isList ? names : undefined;
}
