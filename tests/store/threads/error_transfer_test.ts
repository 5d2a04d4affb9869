import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  DecompressError,
  ExtractError,
  OwnershipError,
  PathEscapeError,
} from "../../../layer/mod.ts";
import { DiffIdMismatchError, LimitError } from "../../../spec/mod.ts";
import { packError, unpackError } from "../../../store/threads/error_transfer.ts";

const PLACE = { layer: "sha256:1", path: "etc/x", offset: 512 };
const DIGESTS = [`sha256:${"0".repeat(64)}`, `sha256:${"1".repeat(64)}`] as const;

Deno.test.each([
  new ExtractError(PLACE, "it is wrong", { cause: new DecompressError("gzip", 7, "cut") }),
  new PathEscapeError(PLACE, "it climbs"),
  new OwnershipError(PLACE, { uid: 1, gid: 2 }, "not mine"),
  new LimitError("entries", 1, 2, "a layer", "maxEntries"),
  new DiffIdMismatchError(DIGESTS[0], DIGESTS[1], DIGESTS[0]),
  Object.assign(new Deno.errors.NotFound("gone"), { code: "ENOENT" }),
  new TypeError("kind"),
])("unpackError() restores an error: $name", (error) => {
  const clone = structuredClone(packError(error));

  const unpacked = unpackError(clone);

  assertInstanceOf(unpacked, error.constructor as typeof Error);
  assertEquals([unpacked.name, unpacked.message], [error.name, error.message]);
  assertEquals(Object.entries(unpacked), Object.entries(error));
  assertEquals((unpacked.cause as Error)?.message, (error.cause as Error)?.message);
});

Deno.test("packError() converts other thrown values to an error", () => {
  const unpacked = unpackError(packError("text"));

  assert(unpacked instanceof Error);
  assertEquals(unpacked.message, "text");
});
