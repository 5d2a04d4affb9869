/**
 * Stands in for `jsr:@std/path/join`, as `mod.ts` does for all of it.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
import { join as posix } from "deno-std/path/posix/join.js";
// @ts-types="./mod.d.ts"
import { join as windows } from "deno-std/path/windows/join.js";

export const join: typeof posix = Deno.build.os === "windows" ? windows : posix;
