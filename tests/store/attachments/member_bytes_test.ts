import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { memberBytes } from "../../../store/attachments/_member_bytes.ts";
import { toUint8Array } from "../../_support/tar.ts";

function memberOf(json: string, key: string): string | undefined {
  const bytes = memberBytes(toUint8Array(json), key);
  return bytes && new TextDecoder().decode(bytes);
}

Deno.test.each([
  { json: '{"p": {"n": 12345678901234567890.10} }', member: '{"n": 12345678901234567890.10}' },
  { json: '{"a":"\\"}:,{p","p":"\\\\"}', member: '"\\\\"' },
  { json: '{"x":{"p":1},"y":["p",{"p":2}]}', member: undefined },
  { json: '{"p":1,"\\u0070" : [ 2 ] }', member: "[ 2 ]" },
  { json: '{"p":null}', member: "null" },
  { json: "{}", member: undefined },
])("memberBytes() finds $member in $json", ({ json, member }) => {
  assertEquals(memberOf(json, "p"), member);
});

Deno.test("memberBytes() finds the bytes of any member", () => {
  const objects = fc.dictionary(fc.string(), fc.jsonValue());
  fc.assert(fc.property(objects, fc.nat(4), (object, indent) => {
    const json = JSON.stringify(object, undefined, indent);
    for (const [key, value] of Object.entries(object)) {
      assertEquals(JSON.parse(memberOf(json, key) ?? ""), JSON.parse(JSON.stringify(value)));
    }
  }));
});
