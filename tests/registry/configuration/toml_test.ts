import { assertEquals, assertThrows } from "@std/assert";
import {
  parseToml,
  TomlArray,
  TomlError,
  TomlScalar,
  TomlTable,
  type TomlValue,
} from "../../../registry/configuration/_toml.ts";

/** Converts a value to plain data. */
function plain(value: TomlValue): unknown {
  if (value instanceof TomlArray) return value.items.map(({ value }) => plain(value));
  if (value instanceof TomlScalar) return value.text;
  if (!(value instanceof TomlTable)) return value;
  return Object.fromEntries([...value.items].map(([name, { value }]) => [name, plain(value)]));
}

Deno.test.each([
  { text: "", data: {} },
  { text: "\ufeff# a comment\n\n  # another", data: {} },
  { text: 'a = "b" # c\r\nd=true\n', data: { a: "b", d: true } },
  {
    text: 'a-b_1 = false\n"c d" = "x"\n\'e.f\' = "y"',
    data: { "a-b_1": false, "c d": "x", "e.f": "y" },
  },
  { text: 'a.b."c" = "d"\na.e = "f"', data: { a: { b: { c: "d" }, e: "f" } } },
  { text: String.raw`a = "\t\"\\\u00e9\U0001F600"`, data: { a: '\t"\\é😀' } },
  { text: String.raw`a = 'C:\x'`, data: { a: "C:\\x" } },
  { text: 'a = """\nx\n  y \\\n   z"""', data: { a: "x\n  y z" } },
  { text: 'a = """x""y"""""', data: { a: 'x""y""' } },
  { text: "a = '''\nx'y\\n'''", data: { a: "x'y\\n" } },
  { text: "a = ''\nb = \"\"", data: { a: "", b: "" } },
  { text: "a = [ # one\n \"x\",\n\n ['y'], ]", data: { a: ["x", ["y"]] } },
  { text: "a = []\nb = {}", data: { a: [], b: {} } },
  ...[
    ..."0 +99 -17 1_000 0xDEAD_beef 0o755 0b1101 3.14 -0.01 5e+22 6.6E-34 inf -nan".split(" "),
    ..."1979-05-27T07:32:00Z 1979-05-27t00:32:00.99-07:00 1979-05-27 07:32:00".split(" "),
    "1979-05-27 07:32:00+01:00",
  ].map((value) => ({ text: `a = ${value}\nb = [${value}]`, data: { a: value, b: [value] } })),
  { text: 'a = { b = "c", d.e = true }', data: { a: { b: "c", d: { e: true } } } },
  { text: '[a]\nb = "c"\n[ d . "e" ]\nf = "g"', data: { a: { b: "c" }, d: { e: { f: "g" } } } },
  { text: '[a.b]\nc = "1"\n[a]\nd = "2"', data: { a: { b: { c: "1" }, d: "2" } } },
  {
    text: '[[r]]\nn = "1"\n[[r.m]]\nl = "x"\n[[r.m]]\nl = "y"\n[[r]]\nn = "2"\n[r.o]\np = true',
    data: { r: [{ n: "1", m: [{ l: "x" }, { l: "y" }] }, { n: "2", o: { p: true } }] },
  },
])("parseToml() parses $text", ({ text, data }) => {
  assertEquals(plain(parseToml(text)), data);
});

Deno.test.each<{ text: string; line: number; problem: string }>([
  { text: "\n\na", line: 3, problem: '"=" is expected' },
  { text: "a =", line: 1, problem: "is expected before the end of the line" },
  ..."01 1__0 1_ _1 .5 5. 1e 0x 0xG 0b2 0X1 1.e5 1_.5 ++1 trueish True nul -true 1:00 25:00:00"
    .split(" ")
    .map((value) => ({
      text: `a = ${value}`,
      line: 1,
      problem: `a value is expected before "${value}"`,
    })),
  ..."1979-13-01 1979-05-32 79-05-27 1979-05-27T24:00:00 1979-05-27T07:32".split(" ")
    .map((value) => ({ text: `\na = ${value}`, line: 2, problem: "a value is expected" })),
  { text: 'a = "b" c', line: 1, problem: "the end of the line is expected" },
  { text: '\na = "b', line: 2, problem: "the string has no end" },
  { text: 'a = "b\nc"', line: 1, problem: "the string has no end" },
  { text: "a = '''b", line: 1, problem: "is expected" },
  { text: 'a = "b"\na = "c"', line: 2, problem: '"a" is defined twice' },
  { text: "[a]\n[a]", line: 2, problem: '"a" is defined twice' },
  { text: 'a = "b"\n[a]', line: 2, problem: '"a" is defined twice' },
  { text: 'a.b = "c"\n[a]', line: 2, problem: '"a" is defined twice' },
  { text: "a = {}\n[a.b]", line: 2, problem: '"a" is defined twice' },
  { text: "a = []\n[[a]]", line: 2, problem: '"a" is defined twice' },
  { text: "[a]\n[[a]]", line: 2, problem: '"a" is defined twice' },
  { text: '[a.b]\n[a]\nb.c = "d"', line: 3, problem: '"b" is defined twice' },
  { text: "[a", line: 1, problem: '"]" is expected' },
  { text: "[[a]", line: 1, problem: '"]]" is expected' },
  { text: "[]", line: 1, problem: "a name is expected" },
  { text: 'a = ["b"', line: 1, problem: '"," or "]" is expected' },
  { text: 'a = { b = "c",\n d = "e" }', line: 1, problem: "a name is expected" },
  { text: String.raw`a = "\x41"`, line: 1, problem: "not an escape sequence" },
  { text: String.raw`a = "\uD800"`, line: 1, problem: "not an escape sequence" },
  { text: 'a = """\n\\q"""', line: 1, problem: "not an escape sequence" },
  { text: 'a = "b"\nc = "\0"', line: 2, problem: "control character" },
  { text: 'a = "b"\rc = "d"', line: 1, problem: "control character" },
  { text: `a = ${"[".repeat(100)}`, line: 1, problem: "nested too deeply" },
])("parseToml() refuses $text", ({ text, line, problem }) => {
  const error = assertThrows(() => parseToml(text), TomlError, problem);

  assertEquals(error.line, line);
});

Deno.test("parseToml() returns the line of each value", () => {
  const { items } = parseToml('a = """\n\n"""\n\nb = [\n"c",\n"d",\n]\n');
  const list = items.get("b");

  assertEquals([items.get("a")?.line, list?.line], [1, 5]);
  assertEquals(
    list?.value instanceof TomlArray && list.value.items.map(({ line }) => line),
    [6, 7],
  );
});
