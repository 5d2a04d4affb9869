import { assertEquals } from "@std/assert";
import { referrersTag } from "../../../spec/image/referrers.ts";

Deno.test("referrersTag() cuts long parts and replaces invalid characters", () => {
  const hex = "ab".repeat(64);

  assertEquals(referrersTag(`sha256:${hex.slice(64)}`), `sha256-${hex.slice(64)}`);
  assertEquals(referrersTag(`sha512:${hex}`), `sha512-${hex.slice(64)}`);
  assertEquals(referrersTag("sha256+b64:a=_"), "sha256-b64-a-_");
});
