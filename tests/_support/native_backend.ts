/**
 * Keeps the native backend loaded while the tests of a file run: loading it takes longer than most
 * of them. After the last test, checks that the tests left no user of it behind.
 *
 * @module
 */
import { assert } from "@std/assert";
import { openLibc } from "../../layer/linux/native_libc.ts";

const kept = openLibc();
if (typeof kept !== "string") {
  // Compile now, or the first test that calls a function often would seem to leave it behind.
  kept.compile();
  Deno.test.afterAll(() => {
    kept[Symbol.dispose]();
    const next = openLibc();
    if (typeof next === "string") throw new Error(next);
    next[Symbol.dispose]();
    // The last user closes the library, so that the next one opens another.
    assert(next.symbols !== kept.symbols, "a test left a user of the native backend behind");
  });
}
