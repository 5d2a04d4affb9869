import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  DiffIdMismatchError,
  DigestMismatchError,
  LimitError,
  OciError,
  parsePlatform,
  PlatformError,
} from "../../spec/mod.ts";
import { digest } from "./_json.ts";

const [A, B, C] = [digest("a"), digest("b"), digest("c")];

Deno.test.each([
  {
    name: "DigestMismatchError",
    error: new DigestMismatchError({ expected: A, actual: B, size: 1 }),
    message: `Cannot accept the bytes as ${A}: their digest is ${B}`,
    fields: { expected: A, actual: B, size: 1 },
  },
  {
    name: "DiffIdMismatchError",
    error: new DiffIdMismatchError(A, B, C),
    message: `Cannot accept layer ${C} as the image's config says that it unpacks to ${A}: ` +
      `it unpacks to ${B}`,
    fields: { expected: A, actual: B, layer: C },
  },
  {
    name: "LimitError",
    error: new LimitError("layers", 256, 257, "an image", "maxLayers"),
    message: "Cannot accept more than 256 layers of an image: there are at least 257; " +
      'raise "maxLayers" to accept it',
    fields: { limit: "layers", max: 256, value: 257 },
  },
  {
    name: "PlatformError",
    error: new PlatformError("a:1", parsePlatform("linux/arm"), []),
    message: 'Cannot find linux/arm in a:1: it has none that can run; choose one with "platform"',
    fields: { wanted: { os: "linux", architecture: "arm" }, available: [] },
  },
])("$name has a message and fields", ({ name, error, message, fields }) => {
  assertInstanceOf(error, OciError);
  assertEquals(error.message, message);
  assertEquals(JSON.parse(JSON.stringify(error)), { ...fields, name, message } as unknown);
});

Deno.test("DigestMismatchError only has the URL of a download", () => {
  const of = (source: string) => new DigestMismatchError({ expected: A, size: 1, source }).url;

  assertEquals([of("https://a.io/b"), of('"/store/blob"')], ["https://a.io/b", undefined]);
});

Deno.test("OciError keeps its cause, and JSON does not show it", () => {
  const cause = new Error("secret");
  const error = new OciError("Cannot", { cause });

  assertEquals(error.cause, cause);
  assertEquals(error.toJSON(), { name: "OciError", message: "Cannot" });
});

Deno.test("PlatformError shows no control characters of an image", () => {
  const available = [{ os: "\u001b[2J", architecture: "a\nb" }];

  const { message } = new PlatformError("a:1", parsePlatform("linux/arm"), available);

  assertEquals(message.includes(String.raw`it has \u001b[2J/a\nb;`), true);
});
