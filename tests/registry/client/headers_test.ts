import { assertEquals, assertThrows } from "@std/assert";
import { mergeScopes } from "../../../registry/auth/scope.ts";
import { nextPage } from "../../../registry/client/_next_page.ts";
import { RegistryError } from "../../../registry/errors.ts";
import { parseRetryAfter, requestedPause } from "../../../registry/transport/retry.ts";
import { emptyResponse } from "../_response.ts";

const PAGE = "tags/list?n=2";

function answerWith(link: string | null) {
  const url = new URL("https://h/v2/a/b/tags/list?n=2");
  return emptyResponse(url, 200, link === null ? {} : { link });
}

Deno.test.each([
  { header: null, next: undefined },
  { header: '</v2/a/b/tags/list?n=2&last=x>; rel="next"', next: "tags/list?n=2&last=x" },
  { header: "<list?last=x>; rel=next", next: "tags/list?last=x" },
  { header: '<?last=x>; rel="next"', next: "tags/list?last=x" },
  { header: '<http://other:80/v2/a/b/tags/list?last=x>; rel="next"', next: "tags/list?last=x" },
  { header: '</p>; rel="prev", </v2/a/b/tags/list?last=x>; rel="next"', next: "tags/list?last=x" },
  { header: '</v2/a/b/tags/list?last=x>; title="t"; rel="last next"', next: "tags/list?last=x" },
  { header: '</v2/a/b/tags/list?last=x>; rel="prev"', next: undefined },
  { header: '</proxy/v2/a/b/tags/list?last=x>; rel="next"', next: "tags/list?last=x" },
  { header: '</v2/library/a/b/tags/list?last=x>; rel="next"', next: "tags/list?last=x" },
  { header: "</v2/a/b/tags/list?last=x>", next: "tags/list?last=x" },
  { header: '/v2/a/b/tags/list?last=x; rel="next"', next: "tags/list?last=x" },
  { header: "/v2/a/b/tags/list?last=x", next: "tags/list?last=x" },
  { header: "</v2/a/b/tags/list?last=x", next: "tags/list?last=x" },
  { header: '</v2/a%2Fb/tags%2Flist?last=x>; REL="Next"', next: "tags/list?last=x" },
  { header: '</v2/a/b/tags/list/?last=x>; rel="next"', next: "tags/list?last=x" },
])("nextPage() reads $header", ({ header, next }) => {
  assertEquals(nextPage(answerWith(header), PAGE), next);
});

Deno.test("nextPage() reads a header of many brackets in linear time", () => {
  const brackets = "<".repeat(1_000_000);
  const next = "</v2/a/b/tags/list?last=x>; rel=next";

  assertThrows(() => nextPage(answerWith(brackets), PAGE), RegistryError);
  assertEquals(nextPage(answerWith(brackets + next), PAGE), "tags/list?last=x");
});

Deno.test.each([
  '</v2/a/b/referrers/x?last=x>; rel="next"',
  '</etc/passwd>; rel="next"',
  "</etc/%>",
  "garbage; rel=next",
])("nextPage() refuses %s", (header) => {
  assertThrows(
    () => nextPage(answerWith(header), PAGE),
    RegistryError,
    "a next page outside the list",
  );
});

Deno.test.each([
  { header: null, ms: undefined },
  { header: "", ms: undefined },
  { header: "120", ms: 120_000 },
  { header: "0", ms: 0 },
  { header: "1.5", ms: 1500 },
  { header: "99999999999999999999", ms: 31_536_000_000 },
  { header: "Fri, 31 Dec 9999 23:59:59 GMT", ms: 31_536_000_000 },
  { header: "Thu, 01 Jan 1970 00:01:00 GMT", ms: 59_000 },
  { header: "Thu, 01 Jan 1970 00:00:00 GMT", ms: 0 },
  { header: "soon", ms: undefined },
  { header: "-5 apples", ms: undefined },
])("parseRetryAfter() reads $header", ({ header, ms }) => {
  assertEquals(parseRetryAfter(header, 1000), ms);
});

Deno.test.each([
  { date: "Thu, 01 Jan 2026 00:00:00 GMT", ms: 60_000 },
  { date: "tomorrow", ms: 120_000 },
  { date: undefined, ms: 120_000 },
])("requestedPause() compares a date with the time of the server: $date", ({ date, ms }) => {
  const headers = new Headers({ "retry-after": "Thu, 01 Jan 2026 00:01:00 GMT" });
  if (date !== undefined) headers.set("date", date);
  // The clock of this machine is a minute slow.
  const now = Date.UTC(2025, 11, 31, 23, 59);

  assertEquals(requestedPause(headers, now), ms);
});

Deno.test.each([
  { scopes: ["repository:a:pull", "repository:a:pull"], merged: ["repository:a:pull"] },
  { scopes: ["repository:a:pull", ""], merged: ["repository:a:pull"] },
  { scopes: ["repository:a:pull", "repository:a:push,pull"], merged: ["repository:a:pull,push"] },
  {
    scopes: ["repository:a:pull", "repository:b:pull registry:catalog:*"],
    merged: ["registry:catalog:*", "repository:a:pull", "repository:b:pull"],
  },
  { scopes: ["repository:h:5000/a:pull"], merged: ["repository:h:5000/a:pull"] },
  { scopes: ["odd"], merged: ["odd"] },
])("mergeScopes() names every resource of $scopes once", ({ scopes, merged }) => {
  assertEquals(mergeScopes(...scopes), merged);
});
