/**
 * Stands in for `jsr:@std/path/resolve`, as `mod.ts` does for all of it.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
import { resolve as posix } from "deno-std/path/posix/resolve.js";
// @ts-types="./mod.d.ts"
import { resolve as windows } from "deno-std/path/windows/resolve.js";

export const resolve: typeof posix = Deno.build.os === "windows" ? windows : posix;
