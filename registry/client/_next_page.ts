import type { HttpResponse } from "../transport/http_response.ts";
import { percentDecoded } from "../transport/redact.ts";

/**
 * Parses the address of the next page from the `Link` header with `rel="next"` (RFC 8288), which
 * may be relative. Uses only the end of its path, because registries behind a proxy may not know
 * their own host, path or repository name. The next page is always part of the same list. Some
 * registries omit `rel` or the brackets.
 *
 * @param path Path and query of this page after `/v2/REPOSITORY/`.
 * @returns Path and query of the next page after `/v2/REPOSITORY/`, or `undefined` after the last
 * page.
 * @throws {RegistryError} If the link does not point to such a list.
 */
export function nextPage(response: HttpResponse, path: string): string | undefined {
  const [list = ""] = path.split("?", 1);
  const header = response.headers.get("link") ?? "";
  const link = parseLinks(header).find(({ isNext }) => isNext);
  if (link === undefined) return undefined;
  const next = URL.parse(link.target, response.url);
  const isSameList = percentDecoded(next?.pathname ?? "").replace(/\/$/, "").endsWith(`/${list}`);
  if (next !== null && isSameList) {
    return isFirstPage(next.searchParams) ? undefined : list + next.search;
  }
  const shown = JSON.stringify(header.slice(0, 300));
  throw response.error(`${response.url.host} links to a next page outside the list, ${shown}`);
}

function parseLinks(header: string): { target: string; isNext: boolean }[] {
  const links = header.includes("<") && header.includes(">")
    ? header.matchAll(/<([^<>]*)>([^<]*)/g)
    : header.matchAll(/([^\s;]+)(.*)/gs);
  return [...links].map(([, target = "", parameters = ""]) => {
    const rel = /;\s*rel\s*=\s*("[^"]*"|[^\s;,]*)/i.exec(parameters)?.[1] ?? "next";
    return { target, isNext: /\bnext\b/i.test(rel) };
  });
}

/** Returns whether a link leads back to the first page, as on Cloudflare's last one. */
function isFirstPage(query: URLSearchParams): boolean {
  const isPlain = [...query.keys()].every((name) => name === "n" || name === "last");
  return isPlain && query.get("last") === "";
}
