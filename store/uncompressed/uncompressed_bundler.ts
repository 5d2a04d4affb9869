import { openFileTree } from "../../layer/disk/open_tree.ts";
import { pickLimits } from "../../layer/extraction/layer_limits.ts";
import { StackingExtractor } from "../../layer/extraction/stacking_extractor.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { dropInheritedAcls } from "../../layer/trees/directory_metadata.ts";
import { checkLayerType } from "../../spec/image/layer_type.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import { type Bundle, bundlePath } from "../bundle.ts";
import { ROOTFS } from "../bundles/bundle_config.ts";
import type { Bundler, BundlerOptions } from "../bundles/bundler.ts";
import type { IdMaps } from "../bundles/id_maps.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import { makeBundle, openIdMaps } from "../bundles/make_bundle.ts";
import { warnOfSkipped } from "../bundles/warn_of_skipped.ts";
import type { ContentStore } from "../content/content_store.ts";
import { defaultOwnership } from "../host/default_ownership.ts";
import type { Image } from "../images/image.ts";
import { openTarball } from "./_open_tarball.ts";

/**
 * Creates bundles by extracting all layers of the image into each of them. Works on every system and
 * for every user. The store keeps the decompressed layers.
 *
 * @example Bundle an image
 * ```ts
 * import { pull } from "@x/oci";
 * import { withMemoryLimit } from "@x/oci/spec";
 * import { ContentStore, UncompressedBundler } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const bundler = new UncompressedBundler(await ContentStore.open("./store"));
 *
 * await using bundle = await bundler.bundle(image, "web-1", withMemoryLimit("512Mi"));
 * // Now, for example: crun run --bundle "$BUNDLE" web-1
 *
 * assert((await Deno.stat(`${bundle.path}/config.json`)).isFile);
 * ```
 */
export class UncompressedBundler implements Bundler {
  readonly #store: ContentStore;
  readonly #options: BundlerOptions;

  /** Creates a bundler for the images of a store. */
  constructor(store: ContentStore, options: BundlerOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  /** Creates a bundle in `containers/<id>` of the store. */
  async bundle(image: Image, id: string, ...options: readonly SpecOption[]): Promise<Bundle> {
    return await this.bundleIn(bundlePath(this.#store.path, id), image, ...options);
  }

  /**
   * Creates a bundle in a custom directory.
   *
   * @param directory An empty or missing directory.
   * @param image The image.
   * @param options Changes to the runtime configuration, applied in this order.
   * @returns The bundle. Dispose of it after use.
   * @throws {BundleError} If the directory is not empty.
   */
  async bundleIn(
    directory: string,
    image: Image,
    ...options: readonly SpecOption[]
  ): Promise<Bundle> {
    image.layers.forEach(({ descriptor }) => checkLayerType(descriptor));
    using _native = keepNativeBackend();
    const maps = await openIdMaps(this.#options);
    return await makeBundle({
      ...this.#options,
      directory,
      maps,
      kind: "uncompressed",
      store: this.#store.path,
      image,
      options,
      fill: ({ path }) => this.#fill(`${path}/${ROOTFS}`, image, maps),
    });
  }

  async #fill(root: string, image: Image, maps: IdMaps | undefined): Promise<void> {
    const { signal, onWarning } = this.#options;
    const limits = pickLimits(this.#options);
    const ownership = maps?.ownership ?? this.#options.ownership ??
      await defaultOwnership(this.#store.path);
    await Deno.mkdir(root, { mode: 0o755 });
    if (Deno.build.os !== "windows") await Deno.chmod(root, 0o755);
    if (maps !== undefined) await Deno.chown(root, maps.root.uid, maps.root.gid);
    using tree = openFileTree(root, { onWarning });
    dropInheritedAcls(tree);
    const extractor = new StackingExtractor(tree, { ...limits, ownership, signal, onWarning });
    using _lock = await lockLayers(this.#store, "use", signal);
    for (const layer of image.layers) {
      await extractor.extract(await openTarball(this.#store, layer, { ...limits, signal }));
    }
    warnOfSkipped(extractor.report(), image.digest, onWarning);
  }
}
