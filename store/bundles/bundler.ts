import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import type { IdRange, Ownership } from "../../layer/extraction/ownership.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import type { Bundle } from "../bundle.ts";
import type { Image } from "../images/image.ts";

/** Options for every kind of bundler. */
export interface BundlerOptions extends LayerLimits {
  /**
   * Owners of the extracted files.
   *
   * The default is `"strict"` for root, and `"squash"` for other users and for root in a user
   * namespace without the IDs that images use.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * User IDs of the container's own user namespace, and those of the host that they are mapped to:
   * its files have these owners on the host. Requires root. The host's directories that are mounted
   * into the container keep their owners.
   *
   * By default, `gidMap`; without both, the container shares the IDs of the host.
   */
  readonly uidMap?: readonly IdRange[] | undefined;
  /**
   * Group IDs of the user namespace, and those of the host.
   *
   * By default, `uidMap`.
   */
  readonly gidMap?: readonly IdRange[] | undefined;
  /** Aborts the extraction of layers and the copying of volumes. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether bundles are temporary: other processes cannot remove them while this one lives. If it is
   * killed, the next bundler or `removeDeadBundles` removes them, unless their container still runs.
   *
   * @default {false}
   */
  readonly isTemporary?: boolean | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Creates bundles of images. Any number of tasks can use a bundler at the same time. */
export interface Bundler {
  /**
   * Creates a bundle: the image's files under `rootfs/`, and a `config.json` for the runtime.
   *
   * @param image The image.
   * @param id Unique name of the bundle in the store.
   * @param options Changes to the runtime configuration, applied in this order.
   * @returns The bundle. Dispose of it after use.
   * @throws {RangeError} If the ID is invalid.
   * @throws {BundleError} If a bundle with this ID exists.
   * @throws {OciError} If there is no command, or the user does not exist; see `newSpec()`.
   */
  bundle(image: Image, id: string, ...options: readonly SpecOption[]): Promise<Bundle>;
}
