/** A label of the machine's policy, not of the image's. */
export const SELINUX_XATTR = "security.selinux";

const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;

/**
 * Whether an extended attribute is one with which the overlay file system marks what is its own. An
 * image that had one could hide or redirect files.
 *
 * @param name The attribute's name.
 * @returns Whether it is.
 *
 * @example
 * ```ts
 * import { isOverlayXattr } from "@x/oci/layer";
 * import { assert } from "@std/assert";
 *
 * assert(isOverlayXattr("trusted.overlay.opaque"));
 * assert(!isOverlayXattr("user.comment"));
 * ```
 */
export function isOverlayXattr(name: string): boolean {
  return OVERLAY_XATTR.test(name);
}
