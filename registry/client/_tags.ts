import { LimitError } from "../../spec/errors.ts";
import { readBoundedBody } from "../transport/bounded_body.ts";
import { nextPage } from "../transport/link.ts";
import { redactUrl } from "../transport/redact.ts";
import type { Registry } from "./_registry.ts";
import { RegistryError } from "../errors.ts";

const PAGE_SIZE = 1000;
const MAX_PAGES = 10_000;
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** What is needed to list tags. */
export interface ListContext {
  readonly repository: string;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** One page of the list, and where the next one is. */
interface Page {
  readonly tags: readonly string[];
  readonly next: string | undefined;
}

/**
 * Lists the tags of a repository, as the registry orders them; a list that bites its own tail is an
 * error.
 */
export async function* listTags(registry: Registry, context: ListContext): AsyncGenerator<string> {
  const seen = new Set<string>();
  for (let next: string | undefined = `tags/list?n=${PAGE_SIZE}`; next !== undefined;) {
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
    yield* page.tags;
    next = page.next;
  }
}

async function readPage(registry: Registry, path: string, context: ListContext): Promise<Page> {
  const { task } = context;
  return await registry.call({ ...context, method: "GET", path }, async (answer) => {
    const bytes = await readBoundedBody(answer, MAX_PAGE_BYTES, { limit: "bytes of a page" });
    const tags = parseTags(bytes);
    if (tags !== undefined) return { tags, next: nextPage(answer, { path, task }) };
    const url = redactUrl(answer.url);
    throw new RegistryError(`Cannot ${task}: ${url} is not the list it should be`, {
      status: answer.status,
      url,
    });
  });
}

function parseTags(bytes: Uint8Array): readonly string[] | undefined {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof body !== "object" || body === null || !("tags" in body)) return undefined;
  // Go writes an empty list as null.
  const tags: unknown = body.tags ?? [];
  const isList = Array.isArray(tags) && tags.every((tag) => typeof tag === "string");
  return isList ? tags : undefined;
}
