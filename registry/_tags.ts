import { LimitError } from "../spec/errors.ts";
import { readBoundedBody } from "./_bounded_body.ts";
import { nextPage } from "./_link.ts";
import { redactUrl } from "./_redact.ts";
import type { Registry } from "./_registry.ts";
import { RegistryError } from "./errors.ts";

const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** What is needed to list tags or referrers. */
export interface ListContext {
  readonly repository: string;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** One page of a list, and where the next one is. */
export interface Page {
  readonly body: Record<string, unknown>;
  readonly headers: Headers;
  readonly next: string | undefined;
}

/** Reads the pages of a list, from `path` on; a list that bites its own tail is an error. */
export async function* readPages(
  registry: Registry,
  path: string,
  context: ListContext,
): AsyncGenerator<Page> {
  const seen = new Set<string>();
  for (let next: string | undefined = path; next !== undefined;) {
    if (seen.has(next)) {
      throw new RegistryError(
        `Cannot ${context.task}: ${registry.endpoint.registry} names a page of the list as its ` +
          "own successor",
        { status: 200, url: next },
      );
    }
    seen.add(next);
    if (seen.size > MAX_PAGES) throw new LimitError("pages", MAX_PAGES, seen.size, "a list");
    const page = await readPage(registry, next, context);
    yield page;
    next = page.next;
  }
}

async function readPage(registry: Registry, path: string, context: ListContext): Promise<Page> {
  const { task } = context;
  return await registry.call({ ...context, method: "GET", path }, async (answer) => {
    const bytes = await readBoundedBody(answer, MAX_PAGE_BYTES, { limit: "bytes of a page" });
    const body = parseObject(bytes);
    if (body === undefined) {
      const url = redactUrl(answer.url);
      throw new RegistryError(`Cannot ${task}: ${url} is not the list it should be`, {
        status: answer.status,
        url,
      });
    }
    const { headers, url } = answer;
    return { body, headers, next: nextPage(headers.get("link"), url, path) };
  });
}

/** Lists the tags of a repository, as the registry orders them. */
export async function* listTags(registry: Registry, context: ListContext): AsyncGenerator<string> {
  for await (const { body } of readPages(registry, `tags/list?n=${PAGE_SIZE}`, context)) {
    // Go writes an empty list as null.
    const tags = Array.isArray(body.tags) ? body.tags : [];
    for (const tag of tags) if (typeof tag === "string") yield tag;
  }
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? value as Record<string, unknown> : undefined;
  } catch {
    return undefined;
  }
}
