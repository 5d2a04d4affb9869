import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { MAX_OVERLAY_LOWERS } from "../../layer/linux/overlay_mount.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { readMounts } from "../../layer/linux/mount_table.ts";
import { mountTmpfs } from "../../layer/linux/tmpfs_mount.ts";
import { unmountTree } from "../../layer/linux/unmount.ts";
import { LimitError } from "../../spec/errors.ts";
import type { SpecOption } from "../../spec/spec_option.ts";
import { ROOTFS } from "../bundles/bundle_config.ts";
import { mountSource } from "../bundles/bundle_mounts.ts";
import type { BundleMount } from "../bundles/bundle_record.ts";
import { defaultOwnership } from "../unpacking/default_ownership.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import { makeBundle, type UnfinishedBundle } from "../bundles/make_bundle.ts";
import { type Bundle, bundlePath } from "../bundle.ts";
import { BundleError } from "../errors.ts";
import type { Bundler } from "../bundles/bundler.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { Image } from "../images/image.ts";
import { copyRootMetadata, lowersOf } from "./_overlay_stack.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";
import { OverlayLayerResolver } from "./layer_resolver.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";
import { findKernelMounter } from "./supported.ts";

/** Name of the directory of a bundle for what is written. */
const SCRATCH = "scratch";

/** Where what a container writes is kept. */
export type OverlayUpperPlace =
  /** In memory, at most so many bytes; half of the machine's memory if that is not said. */
  | { readonly kind: "tmpfs"; readonly sizeBytes?: number }
  /** In the bundle's directory, whose file system must be fit for it. */
  | { readonly kind: "disk" };

/** Options for {@linkcode OverlayBundler}. */
export interface OverlayBundlerOptions {
  /**
   * What mounts.
   *
   * @default The kernel.
   */
  readonly mounter?: OverlayMounter | undefined;
  /**
   * Where what a container writes is kept.
   *
   * @default In memory if the kernel mounts, else on the disk.
   */
  readonly upper?: OverlayUpperPlace | undefined;
  /**
   * To whom files belong.
   *
   * @default `"strict"` for root, `"squash"` in a user namespace that does not map the IDs that
   * images use.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * How many layers are extracted at once.
   *
   * @default Number of processors.
   */
  readonly jobs?: number | undefined;
  /** Stops the extraction of layers. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Whether bundles end with this process: if it is killed, the next bundler or `removeDeadBundles`
   * removes them, unless a container of theirs still runs. Nobody else can remove them meanwhile.
   *
   * @default {false}
   */
  readonly isTemporary?: boolean | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Makes bundles without copying: an image's layers, each extracted once for all images and
 * bundles, lie over each other in a mount of the kernel's overlay file system, under a
 * directory of the bundle's own that takes what is written.
 *
 * It needs Linux, `--allow-ffi`, and root or root of a user namespace:
 * {@linkcode overlaySupported} tells whether it works. A bundle ends with a reboot at the latest,
 * since mounts do.
 *
 * @example Bundle an image
 * ```ts
 * import { withCPULimit } from "@x/oci/spec";
 * import { type Image, ContentStore, OverlayBundler } from "@x/oci/store";
 *
 * async function prepare(store: ContentStore, image: Image): Promise<void> {
 *   await using bundle = await new OverlayBundler(store).bundle(image, "web-1", withCPULimit("1"));
 *   await new Deno.Command("crun", { args: ["run", "--bundle", bundle.path, "web-1"] }).output();
 * }
 * ```
 */
export class OverlayBundler implements Bundler {
  readonly #store: ContentStore;
  readonly #options: OverlayBundlerOptions;
  #mounter: OverlayMounter | Promise<OverlayMounter | string> | undefined;

  /** Of images in a store. */
  constructor(store: ContentStore, options: OverlayBundlerOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  /** What mounts, if that was said. */
  get mounter(): OverlayMounter | undefined {
    return this.#options.mounter;
  }

  /** Makes a bundle in `containers/<id>` of the store. */
  async bundle(image: Image, id: string, ...options: readonly SpecOption[]): Promise<Bundle> {
    return await this.bundleIn(bundlePath(this.#store.path, id), image, ...options);
  }

  /**
   * Makes a bundle in a directory of one's own.
   *
   * @param directory An empty directory, or one that is not there.
   * @param image The image.
   * @param options Changes to what the image says, in this order.
   * @returns The bundle, to be disposed of.
   * @throws {BundleError} If the directory holds something, or overlays cannot be mounted here.
   */
  async bundleIn(
    directory: string,
    image: Image,
    ...options: readonly SpecOption[]
  ): Promise<Bundle> {
    using _native = keepNativeBackend();
    const { path: store } = this.#store;
    const { isTemporary, onWarning } = this.#options;
    const mounter = await this.#findMounter(directory);
    return await makeBundle({
      ...{ directory, kind: mounter.kind, store, image, options, isTemporary, onWarning },
      fill: (bundle) => this.#fill(bundle, image, mounter),
    });
  }

  /** What mounts, if anything can; found out once. */
  async #findMounter(path: string): Promise<OverlayMounter> {
    this.#mounter ??= this.#options.mounter ?? this.#tryKernel();
    const mounter = await this.#mounter;
    if (typeof mounter !== "string") return mounter;
    throw new BundleError(
      `Cannot mount an overlay for "${path}": ${mounter}; use the uncompressed bundler`,
      path,
    );
  }

  async #tryKernel(): Promise<OverlayMounter | string> {
    try {
      const { path, onWait } = this.#store;
      return await findKernelMounter(path, { onWait, signal: this.#options.signal });
    } catch (error) {
      // It was not found out, so the next bundle tries again.
      this.#mounter = undefined;
      throw error;
    }
  }

  async #fill(
    bundle: UnfinishedBundle,
    image: Image,
    mounter: OverlayMounter,
  ): Promise<void> {
    // Before anything is extracted in vain. A layer that occurs twice is mounted once.
    const count = new Set(image.layers.map(({ diffId }) => diffId)).size;
    if (count > MAX_OVERLAY_LOWERS) {
      throw new LimitError("layers", MAX_OVERLAY_LOWERS, count, `${image.digest} for an overlay`);
    }
    const { upper, isTemporary: _, ...options } = this.#options;
    const ownership = options.ownership ?? await defaultOwnership(this.#store.path);
    const resolver = new OverlayLayerResolver(this.#store, { ...options, mounter, ownership });
    const place: OverlayUpperPlace = upper ?? { kind: mounter.upper };
    const layers = await this.#resolve(
      resolver,
      image,
      (names) => bundle.record({ layers: names, mounts: plannedMounts(bundle, place, mounter) }),
    );
    await Deno.mkdir(`${bundle.path}/${ROOTFS}`);
    await this.#mount(bundle, layers, mounter, place);
  }

  /** Finds the layers, which nobody may remove before it is written down that they are used. */
  async #resolve(
    resolver: OverlayLayerResolver,
    image: Image,
    recordLayers: (names: readonly string[]) => Promise<void>,
  ): Promise<readonly ExtractedLayer[]> {
    const { path, onWait } = this.#store;
    using _lock = await lockLayers(path, "use", { onWait, signal: this.#options.signal });
    const layers = await resolver.resolve(image);
    await recordLayers(layers.map(({ name }) => name));
    return layers;
  }

  async #mount(
    bundle: UnfinishedBundle,
    layers: readonly ExtractedLayer[],
    mounter: OverlayMounter,
    place: OverlayUpperPlace,
  ): Promise<void> {
    const { path } = bundle;
    const source = mountSource(bundle.id);
    const scratch = `${path}/${SCRATCH}`;
    await Deno.mkdir(scratch);
    if (place.kind === "tmpfs") mountTmpfs(scratch, { ...place, source });
    const [upper, work] = [`${scratch}/upper`, `${scratch}/work`];
    await Deno.mkdir(upper);
    await Deno.mkdir(work);
    copyRootMetadata(upper, layers);
    const lowers = lowersOf(layers);
    if (lowers.length === 0) {
      // One is needed, even for an image without layers.
      await Deno.mkdir(`${scratch}/lower`);
      lowers.push(`${scratch}/lower`);
    }
    const target = `${path}/${ROOTFS}`;
    await mounter.mount(lowers, target, { upper, work, source });
    await this.#recordMount(bundle, target, place, mounter);
    // The kernel's overlay holds on to the memory by itself: one mount is left to take care of.
    if (place.kind === "tmpfs" && mounter.kind === "overlay") {
      unmountTree(scratch);
      await Deno.remove(scratch);
    }
  }

  /** Writes down which mount it is, unless its source says so. */
  async #recordMount(
    bundle: UnfinishedBundle,
    target: string,
    place: OverlayUpperPlace,
    mounter: OverlayMounter,
  ): Promise<void> {
    const mount = readMounts().findLast((mount) => mount.target === target);
    if (mount === undefined || mount.source === mountSource(bundle.id)) return;
    const { type, device } = mount;
    const others = plannedMounts(bundle, place, mounter).filter(({ target }) => target !== ROOTFS);
    await bundle.record({ mounts: [...others, { target: ROOTFS, type, device }] });
  }
}

/** What a bundle's record says of its mounts before they are made, so that a kill is no harm. */
function plannedMounts(
  { id }: UnfinishedBundle,
  place: OverlayUpperPlace,
  mounter: OverlayMounter,
): readonly BundleMount[] {
  const source = mountSource(id);
  // What a program mounts has a source of the program's choice.
  const root = mounter.kind === "overlay" ? { source } : { type: `fuse.${mounter.kind}` };
  const scratch = { target: SCRATCH, source };
  return [...place.kind === "tmpfs" ? [scratch] : [], { target: ROOTFS, ...root }];
}
