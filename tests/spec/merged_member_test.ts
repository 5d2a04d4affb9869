import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { mergedMember } from "../../spec/json_reader.ts";

Deno.test.each([
  { text: '{"a":{},"a":{}}', name: "a" },
  { text: '{"a":[1],"a":[]}', name: "a" },
  { text: '{"a":"1","a":null}', name: "a" },
  { text: '{"a" : null , "a" : "1"}', name: "a" },
  { text: '{"a":{},"\\u0061":[]}', name: "a" },
  { text: '[{"x":{"b":{},"c":[{"b":1}],"b":2}}]', name: "b" },
  { text: '{"":[], "" :2}', name: "" },
  { text: '{"a\\"":{},"a":["a","a"],"a\\"":1}', name: 'a"' },
])("mergedMember() finds $name in $text", ({ text, name }) => {
  assertEquals(mergedMember(text), name);
});

Deno.test.each([
  "null",
  '"a"',
  '["a","a","a"]',
  '{"a":1,"a":2,"a":"null","b":{},"a":true}',
  '{"a":"a","b":"a","A":{"a":{"a":1}},"c":[{"a":{}},{"a":{}}]}',
  '{"a":"\\\\","b":"{\\"b\\":[],","c":",\\"c\\":{}"}',
])("mergedMember() finds nothing in %s", (text) => {
  JSON.parse(text);

  assertEquals(mergedMember(text), undefined);
});

Deno.test("mergedMember() finds nothing in a serialized value", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    assertEquals(mergedMember(JSON.stringify(JSON.parse(text))), undefined);
  }));
});
