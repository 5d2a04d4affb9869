import { assertEquals } from "@std/assert";
import { parseSeconds } from "../../../cli/frame/options.ts";

Deno.test.each([
  { text: "2.007", ms: 2007 },
  { text: "0.0001", ms: 1 },
  { text: "9".repeat(400), ms: Number.MAX_SAFE_INTEGER },
])("parseSeconds() returns $ms ms for $text", ({ text, ms }) => {
  assertEquals(parseSeconds(text), ms);
});
