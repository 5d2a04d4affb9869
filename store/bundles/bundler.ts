import type { SpecOption } from "../../spec/spec_option.ts";
import type { Bundle } from "../bundle.ts";
import type { Image } from "../images/image.ts";

/** Makes bundles of images. One bundler serves any number of tasks at the same time. */
export interface Bundler {
  /**
   * Makes a bundle: the image's files under `rootfs/`, and a `config.json` that says how to run it.
   *
   * @param image The image.
   * @param id Name of the bundle, which no other bundle of the store has.
   * @param options Changes to what the image says, in this order.
   * @returns The bundle, to be disposed of.
   * @throws {RangeError} If the id is not fit to be one.
   * @throws {BundleError} If there is a bundle of this id.
   */
  bundle(image: Image, id: string, ...options: readonly SpecOption[]): Promise<Bundle>;
}
