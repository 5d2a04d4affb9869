/** SELinux label. It belongs to the policy of the host, and is never taken from an image. */
export const SELINUX_XATTR = "security.selinux";

/** Access control list of an entry. */
export const ACCESS_ACL = "system.posix_acl_access";
/** Access control list that new entries of a directory inherit. */
export const DEFAULT_ACL = "system.posix_acl_default";

const OVERLAY_XATTR = /^(?:trusted|user)\.overlay\./;

/**
 * Whether the overlay file system interprets an attribute. Such attributes can hide or redirect
 * files.
 */
export function isOverlayXattr(name: string): boolean {
  return OVERLAY_XATTR.test(name);
}
