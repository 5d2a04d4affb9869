import { failure } from "./_server_response.ts";

/** Part of a list. */
export interface Page {
  readonly items: readonly string[];
  /** Query of the next page, if any. */
  readonly next: Readonly<Record<string, string>> | undefined;
}

/** Order of lists: case-insensitive, then capitals first. */
export function lexical(a: string, b: string): number {
  return compare(a.toLowerCase(), b.toLowerCase()) || compare(a, b);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Returns at most `n` items after `last`; 400 if `n` is not a number. */
export function paginate(items: readonly string[], query: URLSearchParams): Page | Response {
  const n = query.get("n");
  const last = query.get("last");
  if (n !== null && !/^\d{1,15}$/.test(n)) {
    return failure(400, "PAGINATION_NUMBER_INVALID", `"n" must be a number, not "${n}"`);
  }
  const rest = last === null ? items : items.filter((item) => lexical(item, last) > 0);
  const count = n === null ? rest.length : Number(n);
  const page = rest.slice(0, count);
  const end = page.at(-1);
  const more = end !== undefined && page.length < rest.length;
  return { items: page, next: more ? { n: String(count), last: end } : undefined };
}

/** Returns the `Link` header (RFC 8288) of the next page. */
export function nextLink(url: URL, query: Readonly<Record<string, string>>): string {
  const next = new URLSearchParams(url.search);
  for (const [name, value] of Object.entries(query)) next.set(name, value);
  return `<${url.pathname}?${next}>; rel="next"`;
}
