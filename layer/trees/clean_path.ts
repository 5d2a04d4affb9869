/** A name of an archive as a path inside a root. */
export interface EntryPath {
  /** Relative path without `.`, `..`, empty components and outer slashes; empty for the root. */
  readonly path: string;
  /** Whether a `..` climbed above the root, which has no effect. */
  readonly climbs: boolean;
}

/**
 * Cleans a name of an archive lexically: the root is `/`, and `..` removes the component before it.
 *
 * @param name The name in the archive.
 * @returns The path inside the root.
 *
 * @example Clean equivalent names
 * ```ts
 * import { cleanPath } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(cleanPath("./etc//passwd"), { path: "etc/passwd", climbs: false });
 * assertEquals(cleanPath("../../etc/passwd"), { path: "etc/passwd", climbs: true });
 * ```
 */
export function cleanPath(name: string): EntryPath {
  if (isClean(name)) return { path: name, climbs: false };
  const parts: string[] = [];
  let climbs = false;
  for (const part of name.split("/")) {
    if (part === "..") climbs = parts.pop() === undefined || climbs;
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return { path: parts.join("/"), climbs };
}

/** Returns the parent of a clean path: `""` for a top-level entry and for the root itself. */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** Whether no component can be empty, `.` or `..`; a fast path for most names. */
function isClean(name: string): boolean {
  return name !== "" && !name.startsWith("/") && !name.startsWith(".") && !name.endsWith("/") &&
    !name.includes("/.") && !name.includes("//");
}
