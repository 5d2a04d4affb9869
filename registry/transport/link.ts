import type { Answer } from "./answer.ts";
import { redactUrl } from "./redact.ts";
import { RegistryError } from "../errors.ts";

/** What is known of a list of which an answer is a page. */
export interface ListPage {
  /** What of its address follows `/v2/REPOSITORY/`. */
  readonly path: string;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
}

/**
 * The address of the next page: the `Link` header with `rel="next"` (RFC 8288), which may be
 * relative. Of its path only the end counts, as registries behind a proxy know neither their host
 * nor the path, nor the name of the repository, by which they are asked. The next page is always
 * one of the same list. There are registries that write neither `rel` nor the brackets.
 *
 * @returns What of the next page's address follows `/v2/REPOSITORY/`, or `undefined` after the last
 * page.
 * @throws {RegistryError} If the link leads to something else than such a list.
 */
export function nextPage(
  answer: Pick<Answer, "headers" | "status" | "url">,
  { path, task }: ListPage,
): string | undefined {
  const [list = ""] = path.split("?", 1);
  const header = answer.headers.get("link") ?? "";
  const link = parseLinks(header).find(({ isNext }) => isNext);
  if (link === undefined) return undefined;
  const next = URL.parse(link.target, answer.url);
  if (next !== null && isPathOf(list, next.pathname)) return list + next.search;
  const url = redactUrl(answer.url);
  throw new RegistryError(
    `Cannot ${task}: ${answer.url.host} names a next page that is none of the same list, ` +
      `${JSON.stringify(header.slice(0, 300))}`,
    { status: answer.status, url },
  );
}

function parseLinks(header: string): { target: string; isNext: boolean }[] {
  const links = header.includes("<")
    ? header.matchAll(/<([^>]*)>([^<]*)/g)
    : header.matchAll(/([^\s;]+)(.*)/gs);
  return [...links].map(([, target = "", parameters = ""]) => {
    const rel = /;\s*rel\s*=\s*("[^"]*"|[^\s;,]*)/i.exec(parameters)?.[1] ?? "next";
    return { target, isNext: /\bnext\b/i.test(rel) };
  });
}

function isPathOf(list: string, pathname: string): boolean {
  try {
    return decodeURIComponent(pathname).replace(/\/$/, "").endsWith(`/${list}`);
  } catch {
    return false;
  }
}
