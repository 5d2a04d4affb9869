import type { BundleKind } from "../bundle.ts";
import type { OverlayNamespace } from "../threads/overlay_extraction.ts";

/**
 * Path of the mount, beside that of an overlay, of its lower directories with mapped owners. Only
 * this user may enter the first directory, since another one owns the mounted one.
 */
export const MAPPED_LOWERS = "lowers/mapped";

/** Directories that an overlay writes to, and the source that identifies its mount. */
export interface WritableOverlay {
  /** Upper directory, which receives changes. */
  readonly upper: string;
  /** Empty work directory for the kernel, on the same file system. */
  readonly work: string;
  /**
   * Source of the mount in the mount table.
   *
   * @default {"overlay"}
   */
  readonly source?: string | undefined;
}

/** A mounter of overlays: the kernel or a program. */
export interface OverlayMounter {
  /** Kind of the bundles that use this mounter. */
  readonly kind: Exclude<BundleKind, "uncompressed">;
  /** Namespace of the extended attributes that mark opaque directories. */
  readonly namespace: OverlayNamespace;
  /** Default location of written files. */
  readonly upper: "tmpfs" | "disk";
  /**
   * Mounts an overlay of directories.
   *
   * @param lowers Distinct lower directories, the top one first.
   * @param target Mount point.
   * @param writable Upper and work directories.
   */
  mount(lowers: readonly string[], target: string, writable: WritableOverlay): Promise<void>;
}
