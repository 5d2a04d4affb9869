import { assertEquals, assertInstanceOf } from "@std/assert";
import { describeError, explainedError, problemOf } from "../../spec/error_facts.ts";
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
    fields: {
      code: "digest-mismatch",
      action: `accept the bytes as ${A}`,
      subject: A,
      problem: `their digest is ${B}`,
      expected: A,
      actual: B,
      size: 1,
    },
  },
  {
    name: "DiffIdMismatchError",
    error: new DiffIdMismatchError(A, B, C),
    message: `Cannot accept layer ${C}: the config of the image says that it unpacks to ${A}, ` +
      `but it unpacks to ${B}`,
    fields: {
      code: "diff-id-mismatch",
      action: `accept layer ${C}`,
      subject: C,
      problem: `the config of the image says that it unpacks to ${A}, but it unpacks to ${B}`,
      expected: A,
      actual: B,
      layer: C,
    },
  },
  {
    name: "LimitError",
    error: new LimitError("layers", 256, 257, "an image", "maxLayers"),
    message: "Cannot accept more than 256 layers of an image: there are at least 257. " +
      'Raise "maxLayers" to accept it',
    fields: {
      code: "limit",
      action: "accept more than 256 layers of an image",
      subject: "an image",
      problem: "there are at least 257",
      advice: 'Raise "maxLayers" to accept it',
      option: "maxLayers",
      limit: "layers",
      max: 256,
      value: 257,
    },
  },
  {
    name: "PlatformError",
    error: new PlatformError("a:1", parsePlatform("linux/arm"), []),
    message: 'Cannot find linux/arm in "a:1": it has none that can run',
    fields: {
      code: "platform",
      action: 'find linux/arm in "a:1"',
      subject: "a:1",
      problem: "it has none that can run",
      option: "platform",
      wanted: { os: "linux", architecture: "arm" },
      available: [],
    },
  },
])("$name has a message and fields", ({ name, error, message, fields }) => {
  assertInstanceOf(error, OciError);
  assertEquals(error.message, message);
  assertEquals(JSON.parse(JSON.stringify(error)), { ...fields, name, message } as unknown);
});

Deno.test("DigestMismatchError only has a URL for a download", () => {
  const of = (source: string) => new DigestMismatchError({ expected: A, size: 1, source }).url;

  assertEquals([of("https://a.io/b"), of('"/store/blob"')], ["https://a.io/b", undefined]);
});

Deno.test("OciError keeps its cause, and JSON does not show it", () => {
  const cause = new Error("secret");
  const error = new OciError("Cannot", { cause });

  assertEquals(error.cause, cause);
  assertEquals(error.toJSON(), {
    name: "OciError",
    code: "other",
    message: "Cannot",
    problem: "Cannot",
  });
});

Deno.test("PlatformError shows no control characters of an image", () => {
  const available = [{ os: "\u001b[2J", architecture: "a\nb" }];

  const { message } = new PlatformError("a:1", parsePlatform("linux/arm"), available);

  assertEquals(message.includes(String.raw`it has \u001b[2J/a\nb.`), true);
});

Deno.test("OciError composes its message from the action, the problem and the advice", () => {
  const problem = "it is gone";
  const facts = { action: 'pull "a"', advice: "Look elsewhere" };

  assertEquals(new OciError(problem).message, "it is gone");
  assertEquals(
    new OciError(problem, { action: facts.action }).message,
    'Cannot pull "a": it is gone',
  );
  assertEquals(new OciError(problem, facts).message, 'Cannot pull "a": it is gone. Look elsewhere');
});

Deno.test("explainedError() adds facts to an error of a built-in class", () => {
  const error = explainedError(SyntaxError, {
    code: "invalid-text",
    action: 'parse "x"',
    subject: "x",
    problem: "it is empty",
  }, { cause: 1 });

  assertInstanceOf(error, SyntaxError);
  assertEquals(error.message, 'Cannot parse "x": it is empty');
  assertEquals([error.code, error.subject, error.cause], ["invalid-text", "x", 1]);
});

Deno.test("describeError() omits the advice, and problemOf() also the action", () => {
  const error = new OciError("it is gone", { action: 'pull "a"', advice: "Look elsewhere" });
  const plain = new TypeError("x");

  assertEquals([error, plain, "y"].map(describeError), ['cannot pull "a": it is gone', "x", "y"]);
  assertEquals([error, plain, "y"].map(problemOf), ["it is gone", "x", "y"]);
});
