/**
 * Stands in for `jsr:@std/path` where JSR cannot be reached: the same functions,
 * from the npm build of the standard library, with the types that build lacks.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
export * from "deno-std/path/mod.js";
