import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  LimitError,
  OCI_INDEX,
  OCI_MANIFEST,
  parseImageConfig,
  parseManifest,
} from "../../../spec/mod.ts";
import { bytes, digest } from "../_json.ts";

/** Whether a document is parsed, or rejected with the documented error. */
function isOrderly(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    return error instanceof SyntaxError || error instanceof LimitError;
  }
}

/** Valid documents with one changed member. */
function damaged(document: unknown): fc.Arbitrary<unknown> {
  const text = JSON.stringify(document);
  const values = [...text.matchAll(/(?<=:)("[^"]*"|\d+)/g)].map(({ index, 0: value }) => ({
    index,
    length: value.length,
  }));
  return fc.tuple(fc.constantFrom(...values), fc.json()).map(([{ index, length }, value]) =>
    text.slice(0, index) + value + text.slice(index + length)
  );
}

const BLOB = {
  mediaType: "a/b",
  digest: digest("a"),
  size: 1,
  urls: ["https://u"],
  annotations: { a: "b" },
  platform: { os: "linux", architecture: "arm", variant: "v7" },
};
const MANIFEST = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: BLOB, layers: [BLOB] };
const INDEX = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [BLOB], subject: BLOB };
const CONFIG = {
  os: "linux",
  architecture: "arm",
  created: "2024-01-02T03:04:05Z",
  config: { User: "u", WorkingDir: "/", Labels: { a: "b" }, StopSignal: "s" },
  rootfs: { type: "layers", "diff_ids": [digest("a")] },
  history: [{ comment: "c" }],
};

Deno.test("parseManifest() and parseImageConfig() read any JSON or reject it with a SyntaxError", () => {
  fc.assert(fc.property(fc.json({ maxDepth: 5 }), (json) => {
    assertEquals(isOrderly(() => parseManifest(bytes(json))), true);
    assertEquals(isOrderly(() => parseImageConfig(bytes(json))), true);
  }));
});

Deno.test("parseManifest() and parseImageConfig() read any bytes or reject them with a SyntaxError", () => {
  fc.assert(fc.property(fc.uint8Array(), (document) => {
    assertEquals(isOrderly(() => parseManifest(document)), true);
    assertEquals(isOrderly(() => parseImageConfig(document)), true);
  }));
});

Deno.test("parseManifest() reads damaged documents or rejects them with a SyntaxError", () => {
  fc.assert(fc.property(fc.oneof(damaged(MANIFEST), damaged(INDEX)), (document) => {
    assertEquals(isOrderly(() => parseManifest(bytes(document))), true);
  }));
});

Deno.test("parseImageConfig() reads damaged documents or rejects them with a SyntaxError", () => {
  fc.assert(fc.property(damaged(CONFIG), (document) => {
    assertEquals(isOrderly(() => parseImageConfig(bytes(document))), true);
  }));
});
