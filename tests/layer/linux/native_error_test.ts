import { assertEquals } from "@std/assert";
import { describeCause, nativeError } from "../../../layer/linux/native_error.ts";

Deno.test.each([
  { errno: 1, says: "the operation is not permitted" },
  { errno: 28, says: "the disk is full" },
  { errno: 95, says: "the file system does not support it" },
])("describeCause() says: $says", ({ errno, says }) => {
  assertEquals(describeCause(nativeError(errno, "mknodat", "dev/console")), says);
});

Deno.test("describeCause() keeps the text of an unknown error", () => {
  assertEquals(describeCause(new Error("it is odd")), "it is odd");
});
