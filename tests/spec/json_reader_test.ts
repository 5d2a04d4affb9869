import { assert, assertEquals, assertThrows } from "@std/assert";
import { LimitError } from "../../spec/errors.ts";
import { parseJson } from "../../spec/json_reader.ts";

const MAX_VALUES = 4_000_000;

function list(item: string, count: number, tail = ""): Uint8Array {
  return new TextEncoder().encode(`{"manifests":[${`${item},`.repeat(count)}${item}]${tail}}`);
}

Deno.test.each(["{}", "[]", "0", '""', "null"])(
  "parseJson() refuses more than four million values: %s",
  (item) => {
    // The object, the list and its items.
    const count = (MAX_VALUES - 3) / (/[{[]/.test(item) ? 2 : 1);
    parseJson(list(item, Math.floor(count) - 1), "a test");

    const error = assertThrows(
      () => parseJson(list(item, Math.ceil(count) + 1), "a test"),
      LimitError,
      "Cannot accept more than 4000000 JSON values of a test",
    );

    assert(error.value > MAX_VALUES);
  },
);

Deno.test("parseJson() ignores the content of strings", () => {
  const text = JSON.stringify(['{[,\\"'.repeat(1_000_000), "[".repeat(1_000_000) + "\\"]);

  const strings = parseJson(new TextEncoder().encode(text), "a test");

  // A diff of these texts would take minutes.
  assert(JSON.stringify(strings) === text);

  const many = list("{}", MAX_VALUES, `,"text":${JSON.stringify('"\\')}`);
  assertThrows(() => parseJson(many, "a test"), LimitError);
});

Deno.test("parseJson() accepts an index of 200,000 references", () => {
  const entry = {
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest: `sha256:${"0".repeat(64)}`,
    size: 1000,
    annotations: { "org.opencontainers.image.ref.name": "registry.example/a/b:1", created: "" },
    platform: { os: "linux", architecture: "arm64", variant: "v8" },
  };

  const { manifests } = parseJson(list(JSON.stringify(entry), 199_999), "a test") as {
    manifests: unknown[];
  };

  assertEquals(manifests.length, 200_000);
  assertEquals(manifests.at(-1), entry);
});
