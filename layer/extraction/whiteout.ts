/** What the name of a whiteout begins with. */
const PREFIX = ".wh.";
/** What names that only aufs used begin with. */
const META_PREFIX = ".wh..wh.";
const OPAQUE = ".wh..wh..opq";

/** What a name means for whiteouts. */
export type WhiteoutMark =
  /** It is an ordinary entry. */
  | { readonly kind: "none" }
  /** Lower layers' `path` is hidden. */
  | { readonly kind: "whiteout"; readonly directory: string; readonly name: string }
  /** All that lower layers have in `directory` is hidden. */
  | { readonly kind: "opaque"; readonly directory: string }
  /** It is for the book-keeping of aufs, and no part of the layer. */
  | { readonly kind: "ignored" }
  /** It looks like a whiteout and is none; `reason` ends a sentence. `.` and `..` escape. */
  | { readonly kind: "malformed"; readonly reason: string; readonly escapes: boolean };

const NONE: WhiteoutMark = { kind: "none" };
const IGNORED: WhiteoutMark = { kind: "ignored" };

/**
 * Says what a cleaned path means as a whiteout.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/layer.md#whiteouts | layer.md, whiteouts}.
 *
 * @param path A path from `cleanPath`.
 * @returns What it marks.
 *
 * @example A removed file and a replaced directory
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
  if (!path.includes(PREFIX)) return NONE;
  const parts = path.split("/");
  const leaf = parts.pop() ?? "";
  for (const part of parts) {
    if (part.startsWith(META_PREFIX)) return IGNORED;
    if (part.startsWith(PREFIX)) return malformed("a whiteout is no directory", false);
  }
  if (!leaf.startsWith(PREFIX)) return NONE;
  const directory = parts.join("/");
  if (leaf === OPAQUE) return { kind: "opaque", directory };
  if (leaf.startsWith(META_PREFIX)) return IGNORED;
  const name = leaf.slice(PREFIX.length);
  if (name === "") return malformed("the whiteout names nothing", false);
  if (name === "." || name === "..") {
    return malformed(`the whiteout names "${name}", which no layer may remove`, true);
  }
  return { kind: "whiteout", directory, name };
}

function malformed(reason: string, escapes: boolean): WhiteoutMark {
  return { kind: "malformed", reason, escapes };
}
