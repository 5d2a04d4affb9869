import { OCI_INDEX } from "../../../spec/mod.ts";
import { type Fault, plain } from "../../_support/faulty_registry.ts";

/** Answers each request of a list with its page; the header `link` leads from page to page. */
export function pages(
  bodies: readonly unknown[],
  link: (page: number, request: Request) => string | undefined,
): Fault {
  return (request) => {
    const page = Number(new URL(request.url).searchParams.get("page") ?? 0);
    const next = link(page + 1, request);
    const body = JSON.stringify(bodies[page] ?? {});
    return plain(200, {
      "content-type": OCI_INDEX,
      ...page + 1 < bodies.length && next !== undefined ? { link: next } : {},
    }, body);
  };
}
