/**
 * Path functions for the current operating system.
 *
 * Loading `node:path` makes startup a fifth slower, and a package would need an import map, which
 * `deno install` does not copy. So Node's module is only loaded on Windows, whose paths are more
 * complex.
 *
 * @module
 */

/** Returns the path of the parent directory: `"/"` for `"/"`, and `"."` for a name alone. */
export function dirname(path: string): string {
  if (isWindows()) return nodePath().dirname(path);
  const trimmed = trimEnd(path);
  const at = trimmed.lastIndexOf("/");
  if (at < 0) return path.startsWith("/") ? "/" : ".";
  return trimEnd(trimmed.slice(0, at)) || "/";
}

/** Joins parts with separators, and normalizes the result. */
export function join(...parts: readonly string[]): string {
  if (isWindows()) return nodePath().join(...parts);
  const joined = parts.filter((part) => part !== "").join("/");
  if (joined === "") return ".";
  const path = normalize(joined, joined.startsWith("/"));
  return joined.endsWith("/") && !path.endsWith("/") ? `${path}/` : path;
}

/**
 * Returns an absolute path without `.`, `..` and trailing separators. A part is relative to those
 * before it, and the first to the working directory.
 */
export function resolve(...parts: readonly string[]): string {
  if (isWindows()) return nodePath().resolve(...parts);
  const from = parts.findLastIndex((part) => part.startsWith("/"));
  const used = from < 0 ? [Deno.cwd(), ...parts] : parts.slice(from);
  return normalize(used.join("/"), true);
}

/** Normalizes a path with slashes: removes empty segments and `.`, and resolves `..` if possible. */
export function normalize(path: string, isAbsolute: boolean): string {
  const normal = normalSegments(path, isAbsolute).join("/");
  return isAbsolute ? `/${normal}` : normal || ".";
}

/** Returns the segments of a normalized path. `..` cannot leave the root of an absolute path. */
export function normalSegments(path: string, isAbsolute: boolean): readonly string[] {
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.length > 0 && segments.at(-1) !== "..") segments.pop();
    else if (!isAbsolute) segments.push(segment);
  }
  return segments;
}

function trimEnd(path: string): string {
  let end = path.length;
  while (end > 0 && path[end - 1] === "/") end--;
  return path.slice(0, end);
}

function isWindows(): boolean {
  return Deno.build.os === "windows";
}

function nodePath() {
  return globalThis.process.getBuiltinModule("node:path");
}
