/**
 * The address of the next page: the `Link` header with `rel="next"` (RFC 8288), which may be
 * relative. Of its path only the end counts, as registries behind a proxy know neither their host
 * nor the path, nor the name of the repository, by which they are asked. The next page is always
 * one of the same list.
 *
 * @param url Where the page came from.
 * @param path What of its address follows `/v2/REPOSITORY/`.
 * @returns The same of the next page's address, or `undefined` after the last page, or if the link
 * leads to something else than such a list.
 */
export function nextPage(header: string | null, url: URL, path: string): string | undefined {
  const [list = ""] = path.split("?", 1);
  for (const [, target = "", parameters = ""] of (header ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)/i.test(parameters)) continue;
    const next = URL.parse(target, url);
    if (next?.pathname.endsWith(`/${list}`)) return list + next.search;
  }
  return undefined;
}
