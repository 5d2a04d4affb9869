import { assertEquals } from "@std/assert";
import { parseWhiteout } from "../../../layer/mod.ts";

const TABLE = [
  { path: "etc/motd", kind: "none" },
  { path: ".whatever", kind: "none" },
  { path: "a.wh.b", kind: "none" },
  { path: ".wh.a", kind: "whiteout" },
  { path: "d/.wh..hidden", kind: "whiteout" },
  { path: "d/.wh.a.wh.b", kind: "whiteout" },
  { path: ".wh..wh..opq", kind: "opaque" },
  { path: "d/.wh..wh..opq", kind: "opaque" },
  { path: ".wh..wh.plnk", kind: "ignored" },
  { path: ".wh..wh.", kind: "ignored" },
  { path: ".wh..wh.plnk/1.2", kind: "ignored" },
  { path: ".wh..wh..opq/x", kind: "ignored" },
  { path: ".wh..wh.plnk/.wh..wh..opq", kind: "ignored" },
  { path: "d/.wh..wh.orph/x/y", kind: "none" },
  { path: "d/.wh..wh.orph", kind: "whiteout" },
  { path: ".wh.", kind: "malformed" },
  { path: ".wh..", kind: "malformed" },
  { path: "d/.wh...", kind: "malformed" },
  { path: ".wh.a/b", kind: "none" },
  { path: "d/.wh../b", kind: "none" },
  { path: ".wh.a/.wh.b", kind: "whiteout" },
  { path: ".wh.a/.wh..wh..opq", kind: "opaque" },
] as const;

for (const { path, kind } of TABLE) {
  Deno.test(`parseWhiteout() parses "${path}" as ${kind}`, () => {
    assertEquals(parseWhiteout(path).kind, kind);
  });
}

Deno.test("parseWhiteout() splits the directory from the name", () => {
  assertEquals(parseWhiteout("a/b/.wh.c"), { kind: "whiteout", directory: "a/b", name: "c" });
  assertEquals(parseWhiteout(".wh.c"), { kind: "whiteout", directory: "", name: "c" });
  assertEquals(parseWhiteout("a/.wh..wh.c"), { kind: "whiteout", directory: "a", name: ".wh.c" });
  assertEquals(parseWhiteout("a/.wh..wh..opq"), { kind: "opaque", directory: "a" });
});
