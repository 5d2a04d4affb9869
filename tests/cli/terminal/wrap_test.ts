import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { fitLine, wrapLine } from "../../../cli/terminal/terminal.ts";

Deno.test.each([
  { text: "a line that fits", columns: 20, lines: ["a line that fits"] },
  {
    text: "oci: pull alpine:3: it cannot be reached",
    columns: 24,
    lines: ["oci: pull alpine:3: it", "  cannot be reached"],
  },
  { text: `x ${"y".repeat(30)} z`, columns: 20, lines: ["x", `  ${"y".repeat(30)}`, "  z"] },
  {
    text: "34 MB of 44 MB (76%), 5 blobs done, 26 MB/s, 1 s left",
    columns: 40,
    lines: ["34 MB of 44 MB (76%), 5 blobs done,", "  26 MB/s, 1 s left"],
  },
  { text: "too narrow to wrap anything", columns: 10, lines: ["too narrow to wrap anything"] },
])("wrapLine() breaks $text at spaces", ({ text, columns, lines }) => {
  assertEquals(wrapLine(text, columns, "  "), lines);
});

Deno.test.each([
  {
    text: "docker.io/library/alpine:3  sha256:0123456789ab  linux/amd64  1 of 1  3.4 MB",
    columns: 40,
    lines: [
      "docker.io/library/alpine:3",
      "  sha256:0123456789ab  linux/amd64",
      "  1 of 1  3.4 MB",
    ],
  },
  {
    text: "   Digest      sha256:0123456789abcdef",
    columns: 30,
    lines: ["   Digest", "     sha256:0123456789abcdef"],
  },
  {
    text: "Store     ok       it is at a place with enough room",
    columns: 30,
    lines: ["Store     ok", "  it is at a place with enough", "  room"],
  },
  // The rows of a table stay aligned.
  {
    text: "a:1         sha256:0123  1 of 1     0 B",
    columns: 35,
    lines: [
      "a:1         sha256:0123  1 of 1",
      "  0 B",
    ],
  },
  {
    text: "NAME        DIGEST       PULLED    SIZE",
    columns: 35,
    lines: [
      "NAME        DIGEST       PULLED",
      "  SIZE",
    ],
  },
])("fitLine() breaks $text between cells first", ({ text, columns, lines }) => {
  assertEquals(fitLine(text, columns), lines);
});

Deno.test("fitLine() keeps words that other spaces separate", () => {
  const line = "Label       title=The\u00a0quick brown fox\u3000jumps over the lazy dog";

  const lines = fitLine(line, 40);

  assertEquals(lines.join(" ").split(/\s+/), line.split(/\s+/));
});

Deno.test("fitLine() takes linear time for many spaces", () => {
  const line = `a${" ".repeat(200_000)}\u00a0b`;
  const started = performance.now();

  fitLine(line, 40);

  assert(performance.now() - started < 5000);
});

Deno.test("fitLine() keeps all words, on lines that fit unless a word does not", () => {
  const row = fc.array(fc.stringMatching(/^[a-z]{1,12}( [a-z]{1,12}){0,3}$/), { minLength: 1 });
  fc.assert(fc.property(row, fc.integer({ min: 20, max: 100 }), (cells, columns) => {
    const lines = fitLine(cells.join("  "), columns);

    assertEquals(lines.join(" ").split(/ +/).filter(Boolean), cells.join(" ").split(" "));
    assert(lines.every((line) => line.length <= columns || !line.trim().includes(" ")));
  }));
});

Deno.test("wrapLine() drops many spaces at the end in little time", () => {
  const start = performance.now();

  assertEquals(wrapLine(`a b${" ".repeat(200_000)}`, 20), ["a b"]);

  const time = performance.now() - start;
  assert(time < 5000, `it took ${time} ms`);
});
