/** What a name in an archive means inside a root. */
export interface EntryPath {
  /** Relative, without `.`, `..`, empty parts and slashes at either end; empty for the root. */
  readonly path: string;
  /** Whether a `..` climbed above the root, where it has no effect. */
  readonly climbs: boolean;
}

/**
 * Cleans a name of an archive: the root is `/`, and `..` takes away the part before it, whatever
 * that part is in the file system.
 *
 * @param name The name as it stands in the archive.
 * @returns The path inside the root.
 *
 * @example Names that say the same
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

/**
 * The directory that a clean path is in.
 *
 * @param path A path as {@linkcode cleanPath} gives it.
 * @returns The path of the directory: `""`, the root, of one at the root and of the root itself.
 *
 * @example What there must be before a file
 * ```ts
 * import { parentPath } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parentPath("etc/ssl/certs"), "etc/ssl");
 * assertEquals(parentPath("etc"), "");
 * ```
 */
export function parentPath(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** Whether no part can be empty, `.` or `..`; most names are so, and there are many. */
function isClean(name: string): boolean {
  return name !== "" && !name.startsWith("/") && !name.startsWith(".") && !name.endsWith("/") &&
    !name.includes("/.") && !name.includes("//");
}
