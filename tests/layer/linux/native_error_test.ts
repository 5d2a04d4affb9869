import { assertEquals, assertThrows } from "@std/assert";
import { mkdirSync } from "node:fs";
import { describeCause, nativeError } from "../../../layer/linux/native_error.ts";
import { withCode } from "../../../spec/error_facts.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test.each([
  { errno: 1, says: "the operation is not permitted" },
  { errno: 28, says: "the disk is full" },
  { errno: 38, says: "the file system does not support it" },
  { errno: 84, says: "the file system does not allow its characters" },
  { errno: 95, says: "the file system does not support it" },
])("describeCause() says: $says", ({ errno, says }) => {
  assertEquals(describeCause(nativeError(errno, "mknodat", "dev/console")), says);
});

Deno.test("describeCause() keeps the text of an error that explains itself", () => {
  assertEquals(
    describeCause(withCode(new Error("it is a mount point"), "EBUSY")),
    "it is a mount point",
  );
});

Deno.test.each([
  { by: "Deno", create: (path: string) => Deno.mkdirSync(path) },
  { by: "Node", create: (path: string) => mkdirSync(path) },
])("describeCause() rewords the error of $by", async ({ create }) => {
  await using temp = await makeTempDir();
  const causeOf = (name: string) =>
    describeCause(assertThrows(() => create(temp.join(name)), Error));

  assertEquals(causeOf("missing/directory"), "it does not exist");
  assertEquals(causeOf("x".repeat(300)), "the name is too long");
});
