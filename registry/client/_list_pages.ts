import { LimitError } from "../../spec/errors.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { nextPage } from "../transport/link.ts";
import { redactUrl } from "../transport/redact.ts";
import type { Registry } from "./_registry.ts";
import { RegistryError } from "../errors.ts";

const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

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
  readonly next: string | undefined;
}

/**
 * Reads a list of names, such as tags, page by page, as the registry orders them. A list that names
 * one of its pages twice is an error.
 */
export async function* listPages(registry: Registry, context: ListContext): AsyncGenerator<string> {
  const seen = new Set<string>();
  for (let next: string | undefined = `${context.path}?n=${PAGE_SIZE}`; next !== undefined;) {
    if (seen.has(next)) {
      throw new RegistryError(
        `Cannot ${context.task}: ${registry.endpoint.registry} names a page of the list as its ` +
          "own successor",
        { status: 200, url: next },
      );
    }
    seen.add(next);
    if (seen.size > MAX_PAGES) throw new LimitError("pages", MAX_PAGES, seen.size, "a list");
    const page: Page = await readPage(registry, next, context);
    yield* page.items;
    next = page.next;
  }
}

async function readPage(registry: Registry, path: string, context: ListContext): Promise<Page> {
  const { task, member } = context;
  return await registry.call({ ...requestOf(context), method: "GET", path }, async (answer) => {
    const bytes = await readBoundedBody(answer, MAX_PAGE_BYTES, { limit: "bytes of a page" });
    const items = parseNames(bytes, member);
    if (items !== undefined) return { items, next: nextPage(answer, { path, task }) };
    const url = redactUrl(answer.url);
    throw new RegistryError(`Cannot ${task}: ${url} is not the list it should be`, {
      status: answer.status,
      url,
    });
  });
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
  if (typeof body !== "object" || body === null || !(member in body)) return undefined;
  // Go writes an empty list as null.
  const names: unknown = (body as Record<string, unknown>)[member] ?? [];
  const isList = Array.isArray(names) && names.every((name) => typeof name === "string");
  return isList ? names : undefined;
}
