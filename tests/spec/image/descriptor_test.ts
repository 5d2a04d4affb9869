import { assertEquals, assertStrictEquals } from "@std/assert";
import { type Descriptor, embeddedData, OCI_EMPTY } from "../../../spec/mod.ts";
import { bytes, digest } from "../_json.ts";

const EMPTY: Descriptor = { mediaType: OCI_EMPTY, digest: digest("{}"), size: 2, data: "e30=" };

Deno.test("embeddedData() returns bytes that match the digest", () => {
  assertEquals(embeddedData(EMPTY), bytes("{}"));
});

Deno.test("embeddedData() returns the empty content", () => {
  const descriptor = { ...EMPTY, digest: digest(""), size: 0, data: "" };

  assertEquals(embeddedData(descriptor), new Uint8Array());
});

Deno.test.each([
  { name: "no data", change: { data: undefined } },
  { name: "another size", change: { size: 3 } },
  { name: "another digest", change: { digest: digest("[]") } },
  { name: "base64 without its padding", change: { data: "e30=e30=" } },
  { name: "text that is not base64", change: { data: "{}" } },
  { name: "base64 for URLs", change: { data: "__8=", size: 2 } },
])("embeddedData() returns undefined for $name", ({ change }) => {
  assertStrictEquals(embeddedData({ ...EMPTY, ...change } as Descriptor), undefined);
});
