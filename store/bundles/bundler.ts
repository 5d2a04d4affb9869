import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import type { Bundle } from "../bundle.ts";
import type { Image } from "../images/image.ts";

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
   */
  bundle(image: Image, id: string, ...options: readonly SpecOption[]): Promise<Bundle>;
}
