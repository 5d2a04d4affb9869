/** What the overlay file system takes as its own; an image could hide or redirect files. */
export const OVERLAY_XATTR: RegExp = /^(?:trusted|user)\.overlay\./;

/** A label of the machine's policy, not of the image's. */
export const SELINUX_XATTR = "security.selinux";
