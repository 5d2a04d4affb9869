import type { BundleKind } from "../bundle.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";

/** What an overlay writes to, and how its mount is told from others. */
export interface WritableOverlay {
  /** Where changes go. */
  readonly upper: string;
  /** An empty directory on the same file system, for the kernel's own use. */
  readonly work: string;
  /**
   * Source that the mount is to have in the mount table.
   *
   * @default {"overlay"}
   */
  readonly source?: string | undefined;
}

/** Something that mounts overlays: the kernel, or a program in its place. */
export interface OverlayMounter {
  /** What bundles that are made with it are called. */
  readonly kind: Exclude<BundleKind, "uncompressed">;
  /** The namespace of the attributes that mark opaque directories. */
  readonly namespace: OverlayNamespace;
  /** Where what is written should be kept, unless the user says otherwise. */
  readonly upper: "tmpfs" | "disk";
  /**
   * Mounts directories over each other.
   *
   * @param lowers Those that are not written to, the top one first, none of them twice.
   * @param target Where the merged view appears.
   * @param writable What is written to.
   */
  mount(lowers: readonly string[], target: string, writable: WritableOverlay): Promise<void>;
}
