/**
 * Stands in for `jsr:@std/path` where JSR cannot be reached: the same functions,
 * from the npm build of the standard library, with the types that build lacks.
 *
 * Imports the variant for this system rather than the module that chooses between the two, which
 * loads Node's `process`: that takes half as long as the start of Deno. JSR's asks Deno.
 *
 * @module
 */
// @ts-types="./mod.d.ts"
import * as posix from "deno-std/path/posix/mod.js";
// @ts-types="./mod.d.ts"
import * as windows from "deno-std/path/windows/mod.js";

const path: typeof posix = Deno.build.os === "windows" ? windows : posix;

export type { ParsedPath } from "./mod.d.ts";
export const SEPARATOR: typeof posix.SEPARATOR = path.SEPARATOR;
export const SEPARATOR_PATTERN: typeof posix.SEPARATOR_PATTERN = path.SEPARATOR_PATTERN;
export const DELIMITER: typeof posix.DELIMITER = path.DELIMITER;
export const basename: typeof posix.basename = path.basename;
export const dirname: typeof posix.dirname = path.dirname;
export const extname: typeof posix.extname = path.extname;
export const format: typeof posix.format = path.format;
export const fromFileUrl: typeof posix.fromFileUrl = path.fromFileUrl;
export const isAbsolute: typeof posix.isAbsolute = path.isAbsolute;
export const join: typeof posix.join = path.join;
export const normalize: typeof posix.normalize = path.normalize;
export const parse: typeof posix.parse = path.parse;
export const relative: typeof posix.relative = path.relative;
export const resolve: typeof posix.resolve = path.resolve;
export const toFileUrl: typeof posix.toFileUrl = path.toFileUrl;
