import { assertEquals } from "@std/assert";
import { parseWarnings } from "../../../registry/endpoints/_warning_header.ts";

/** The bytes of a text as a header has them: a character for each. */
function headerOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

Deno.test.each<{ header: string | null; warnings: string[] }>([
  { header: null, warnings: [] },
  { header: "", warnings: [] },
  { header: '299 - "moves soon"', warnings: ["moves soon"] },
  { header: '299 - "a, b", 299 - "c"', warnings: ["a, b", "c"] },
  { header: String.raw`299 - "says \"no\" \\ maybe"`, warnings: [String.raw`says "no" \ maybe`] },
  { header: headerOf('299 - "veraltet: größer"'), warnings: ["veraltet: größer"] },
  { header: '299 - "caf\xe9"', warnings: ["caf\xe9"] },
  { header: '110 cache "stale", 299 - "mine"', warnings: ["mine"] },
  { header: '199 - "another code"', warnings: [] },
  { header: '1299 - "another code"', warnings: [] },
  { header: '299 proxy:80 "another agent"', warnings: [] },
  { header: '299 - "dated" "Sat, 25 Aug 2012 23:34:45 GMT"', warnings: [] },
  { header: '299 - "followed" by more', warnings: [] },
  { header: '299  -  "spaces"', warnings: [] },
  { header: '299 - ""', warnings: [] },
  { header: '299 - "unfinished', warnings: [] },
  { header: "299 - bare", warnings: [] },
  { header: "299 - 'single'", warnings: [] },
])("parseWarnings() reads $header", ({ header, warnings }) => {
  assertEquals(parseWarnings(header), warnings);
});
