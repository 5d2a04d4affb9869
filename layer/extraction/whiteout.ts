import { WHITEOUT_PREFIX } from "../file_name.ts";
import { leafName, parentPath } from "../trees/clean_path.ts";

/** Prefix of the metadata that aufs stores in the root directory. */
const META_PREFIX = `${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`;
const OPAQUE = `${META_PREFIX}.opq`;
/** Directory of the files that aufs stores for hard links. It is not part of the layer. */
export const LINK_DIRECTORY: string = `${META_PREFIX}plnk`;

/**
 * Meaning of a name as a whiteout:
 *
 * - `"none"`: an ordinary entry;
 * - `"whiteout"`: hides `name` of lower layers in `directory`;
 * - `"opaque"`: hides everything of lower layers in `directory`;
 * - `"ignored"`: metadata of aufs, which is not part of the layer;
 * - `"malformed"`: an invalid whiteout, for `reason`; `escapes` is true for `.` and `..`.
 */
export type WhiteoutMark =
  | { readonly kind: "none" }
  | { readonly kind: "whiteout"; readonly directory: string; readonly name: string }
  | { readonly kind: "opaque"; readonly directory: string }
  | { readonly kind: "ignored" }
  | { readonly kind: "malformed"; readonly reason: string; readonly escapes: boolean };

const NONE: WhiteoutMark = { kind: "none" };
const IGNORED: WhiteoutMark = { kind: "ignored" };

/**
 * Parses a clean path as a whiteout.
 *
 * Only the last component makes a whiteout, whatever the type of the entry: `.wh.a` hides `a`, and
 * `.wh.a/b` is a file in a directory that is called `.wh.a`, as in umoci, containerd and Docker.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts | layer.md, whiteouts}.
 *
 * @param path A path of `cleanPath()`.
 * @returns The meaning of the path.
 *
 * @example Recognize the whiteouts of a layer
 * ```ts
 * import { parseWhiteout } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseWhiteout("etc/.wh.motd"), {
 *   kind: "whiteout",
 *   directory: "etc",
 *   name: "motd",
 * });
 * assertEquals(parseWhiteout("etc/.wh..wh..opq"), { kind: "opaque", directory: "etc" });
 * ```
 */
export function parseWhiteout(path: string): WhiteoutMark {
  if (!path.includes(WHITEOUT_PREFIX)) return NONE;
  const directory = parentPath(path);
  const leaf = leafName(path);
  // Other tools ignore it at the root only. Elsewhere, ".wh..wh.a" hides a directory called ".wh.a".
  if (path.startsWith(META_PREFIX) && path !== OPAQUE) return IGNORED;
  if (leaf === OPAQUE) return { kind: "opaque", directory };
  if (!leaf.startsWith(WHITEOUT_PREFIX)) return NONE;
  const name = leaf.slice(WHITEOUT_PREFIX.length);
  if (name === "") return malformed("the whiteout has no name", false);
  if (name === "." || name === "..") {
    return malformed(`the whiteout names "${name}", which cannot be removed`, true);
  }
  return { kind: "whiteout", directory, name };
}

/** Whether a clean path is that of a file that aufs stores for hard links. */
export function isLinkFile(path: string): boolean {
  return path.startsWith(`${LINK_DIRECTORY}/`);
}

function malformed(reason: string, escapes: boolean): WhiteoutMark {
  return { kind: "malformed", reason, escapes };
}
