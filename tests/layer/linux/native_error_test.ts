import { assertEquals } from "@std/assert";
import { describeCause, nativeError } from "../../../layer/linux/native_error.ts";
import { withCode } from "../../../spec/error_facts.ts";

Deno.test.each([
  { errno: 1, says: "the operation is not permitted" },
  { errno: 28, says: "the disk is full" },
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
