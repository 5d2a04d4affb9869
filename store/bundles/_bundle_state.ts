import type { Digest } from "../../spec/digest.ts";
import type { BundleKind } from "../bundle.ts";

/** What a bundle's own file says of it. */
export interface BundleState {
  /** Tells this file from others of its name. */
  readonly ociBundle: 1;
  /** How the root file system came to be. */
  readonly kind: BundleKind;
  /** The image's digest. */
  readonly image: Digest;
  /** The store that the layers are in. */
  readonly store: string;
  /** Names of the extracted layers that are mounted. */
  readonly layers: readonly string[];
}

/** The file that says what a directory is. Its flock is held while the bundle is made or removed. */
export const STATE = "oci-bundle.json";
