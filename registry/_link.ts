/**
 * The address of the next page: the `Link` header with `rel="next"` (RFC 8288), which may be
 * relative. Only its path and query count, since registries behind a proxy name themselves wrongly.
 *
 * @returns What follows `/v2/REPOSITORY/`, or `undefined` after the last page, or if the link
 * leads elsewhere.
 */
export function nextPage(header: string | null, url: URL, repository: string): string | undefined {
  for (const [, target = "", parameters = ""] of (header ?? "").matchAll(/<([^>]*)>([^<]*)/g)) {
    if (!/;\s*rel\s*=\s*(?:"[^"]*\bnext\b[^"]*"|next\b)/i.test(parameters)) continue;
    const next = URL.parse(target, url);
    const prefix = `/v2/${repository}/`;
    if (next?.pathname.startsWith(prefix)) return next.pathname.slice(prefix.length) + next.search;
  }
  return undefined;
}
