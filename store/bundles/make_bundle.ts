import { resolve } from "@std/path/resolve";
import type { SpecOption } from "../../spec/spec_option.ts";
import { writeBundleConfig } from "./bundle_config.ts";
import { BundleDirectory } from "./_bundle_directory.ts";
import type { BundleState } from "./_bundle_state.ts";
import { removeDeadBundles } from "./_remove_dead_bundles.ts";
import type { Bundle, BundleKind } from "../bundle.ts";
import type { Image } from "../images/image.ts";
import { removeBundle } from "./remove_bundle.ts";

/** What a bundle is made of. */
export interface BundlePlan {
  /** Where. */
  readonly directory: string;
  /** How its root file system comes to be. */
  readonly kind: BundleKind;
  /** The directory of the store. */
  readonly store: string;
  /** The image. */
  readonly image: Image;
  /** Changes to its configuration. */
  readonly options: readonly SpecOption[];
  /**
   * Makes the root file system.
   *
   * @param path The bundle's directory.
   * @param recordLayers Writes down which extracted layers the bundle needs.
   */
  readonly fill: (
    path: string,
    recordLayers: (names: readonly string[]) => Promise<void>,
  ) => Promise<void>;
  /** Is told what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** Makes a bundle, or nothing; what killed processes have left of others makes way. */
export async function makeBundle(plan: BundlePlan): Promise<Bundle> {
  const { image, kind, onWarning } = plan;
  const store = resolve(plan.store);
  const state: BundleState = { ociBundle: 1, kind, image: image.digest, store, layers: [] };
  await removeDeadBundles(store);
  using claimed = await BundleDirectory.claim(plan.directory);
  const { path } = claimed;
  try {
    await claimed.begin(state);
    await plan.fill(path, (layers) => claimed.write({ ...state, layers }));
    await writeBundleConfig(path, image, plan.options);
  } catch (error) {
    try {
      await claimed.remove();
    } catch (left) {
      onWarning?.(`"${path}" could not be removed: ${(left as Error).message}`);
    }
    throw error;
  }
  return new DirectoryBundle(path, image, kind, onWarning);
}

class DirectoryBundle implements Bundle {
  readonly path: string;
  readonly image: Bundle["image"];
  readonly kind: BundleKind;
  readonly #onWarning: ((message: string) => void) | undefined;
  #cleaned: Promise<void> | undefined;

  constructor(
    path: string,
    image: Image,
    kind: BundleKind,
    onWarning: ((message: string) => void) | undefined,
  ) {
    this.path = path;
    this.image = image.digest;
    this.kind = kind;
    this.#onWarning = onWarning;
  }

  async cleanup(): Promise<void> {
    this.#cleaned ??= this.#remove().catch((error) => {
      // It can be tried again.
      this.#cleaned = undefined;
      throw error;
    });
    await this.#cleaned;
  }

  async #remove(): Promise<void> {
    const onWarning = this.#onWarning;
    await removeBundle(this.path, onWarning && { onWarning });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cleanup();
  }
}
