/**
 * Stands in for `jsr:@std/path/dirname`, as `mod.ts` does for all of it.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
import { dirname as posix } from "deno-std/path/posix/dirname.js";
// @ts-types="./mod.d.ts"
import { dirname as windows } from "deno-std/path/windows/dirname.js";

export const dirname: typeof posix = Deno.build.os === "windows" ? windows : posix;
