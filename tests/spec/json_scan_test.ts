import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { LimitError } from "../../spec/errors.ts";
import { parseDocument, scanJson } from "../../spec/json_reader.ts";

Deno.test.each([
  { text: '{"a":{},"a":{}}', name: "a" },
  { text: '{"a":[1],"a":[]}', name: "a" },
  { text: '{"a":"1","a":null}', name: "a" },
  { text: '{"a" : null , "a" : "1"}', name: "a" },
  { text: '{"a":{},"\\u0061":[]}', name: "a" },
  { text: '[{"x":{"b":{},"c":[{"b":1}],"b":2}}]', name: "b" },
  { text: '{"":[], "" :2}', name: "" },
  { text: '{"a\\"":{},"a":["a","a"],"a\\"":1}', name: 'a"' },
])("scanJson() finds $name in $text", ({ text, name }) => {
  assertEquals(scanJson(text, "a test").mergedName, name);
});

Deno.test.each([
  "null",
  '"a"',
  '["a","a","a"]',
  '{"a":1,"a":2,"a":"null","b":{},"a":true}',
  '{"a":"a","b":"a","A":{"a":{"a":1}},"c":[{"a":{}},{"a":{}}]}',
  '{"a":"\\\\","b":"{\\"b\\":[],","c":",\\"c\\":{}"}',
])("scanJson() finds nothing in %s", (text) => {
  JSON.parse(text);

  assertEquals(scanJson(text, "a test").mergedName, undefined);
});

Deno.test("scanJson() finds nothing in a serialized value", () => {
  fc.assert(fc.property(fc.json(), (text) => {
    assertEquals(scanJson(JSON.stringify(JSON.parse(text)), "a test").mergedName, undefined);
  }));
});

Deno.test("scanJson() reads any text to its end", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'{}[]",:\\e.1 ') }), (text) => {
    try {
      scanJson(text, "a test");
    } catch (error) {
      assert(error instanceof SyntaxError);
    }
  }));
});

Deno.test("scanJson() reads names without a value in linear time", () => {
  assertThrows(() => scanJson('{"",'.repeat(4_000_000), "a test"), LimitError);
});

Deno.test.each(["1.0", "1e2", "1E+2", "-0.0", "10e-1"])(
  "parseDocument() reads %s as no integer, as Go does",
  (number) => {
    const json = parseDocument(`{"a":[{"size":${number}}],"b":1,"c":"1.0"}`, "test");
    const size = json.at("a").first?.at("size");

    const error = assertThrows(() => size?.count(), SyntaxError);

    assertEquals(
      error.message,
      `Cannot read test.a[0].size: it must be a whole number in digits only, but it is ${number}`,
    );
    assertEquals([json.at("b").count(), json.at("c").string()], [1, "1.0"]);
  },
);

Deno.test.each(["1.5", "1e2"])("parseDocument() does not take %s for an object", (number) => {
  const json = parseDocument(`{"a":${number}}`, "test");

  assertThrows(() => json.at("a").stringMap(), SyntaxError, `test.a: it must be an object`);
  assertThrows(() => json.at("a").maybe("text"), SyntaxError, `but it is ${number}`);
});

Deno.test.each(["0", "100", "9007199254740991"])(
  "parseDocument() reads the integer %s",
  (number) => {
    assertEquals(parseDocument(number, "test").count(), Number(number));
  },
);

Deno.test("parseDocument() rejects a byte order mark, as Go does", () => {
  const bytes = new TextEncoder().encode("\uFEFF{}");

  assertThrows(() => parseDocument(bytes, "test"), SyntaxError, "byte order mark");
  assertThrows(() => parseDocument("\uFEFF{}", "test"), SyntaxError, "byte order mark");
});

Deno.test("parseDocument() accepts 1000 levels, and no more", () => {
  const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
  parseDocument(nested(1000), "a test");

  const error = assertThrows(() => parseDocument(nested(1001), "a test"), LimitError);

  assertEquals([error.limit, error.max, error.value], ["JSON levels", 1000, 1001]);
});

Deno.test("parseDocument() reads fractions at any level", () => {
  const nested = "[".repeat(1000) + "1.5" + "]".repeat(1000);

  let reader = parseDocument(nested, "a test");
  for (let level = 0; level < 1000; level++) [reader = reader] = reader.array();

  assertThrows(() => reader.count(), SyntaxError, "1.5");
});
