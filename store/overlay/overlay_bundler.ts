import type { Ownership } from "../../layer/extraction/ownership.ts";
import { readMounts } from "../../layer/linux/mount_table.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { mountTmpfs, unmountTargets } from "../../layer/linux/native_mount.ts";
import { MAX_OVERLAY_LOWERS } from "../../layer/linux/overlay_mount.ts";
import { LimitError } from "../../spec/errors.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import { type Bundle, bundlePath } from "../bundle.ts";
import { ROOTFS } from "../bundles/bundle_config.ts";
import { type BundleMount, mountSource } from "../bundles/bundle_record.ts";
import type { Bundler, BundlerOptions } from "../bundles/bundler.ts";
import type { IdMaps } from "../bundles/id_maps.ts";
import { lockLayers } from "../bundles/layer_lock.ts";
import { makeBundle, openIdMaps, type UnfinishedBundle } from "../bundles/make_bundle.ts";
import type { ContentStore } from "../content/content_store.ts";
import { BundleError } from "../errors.ts";
import { defaultOwnership } from "../host/default_ownership.ts";
import { makeDirectories, removeIfAny } from "../host/files.ts";
import type { Image } from "../images/image.ts";
import type { LayerMapping } from "./_layer_mapping.ts";
import { copyRootMetadata, lowersOf } from "./_overlay_stack.ts";
import { type ExtractedLayer, findExtracted } from "./extracted_layer.ts";
import { findKernelMounter } from "./find_mounter.ts";
import type { LayerResolverOptions } from "./layer_resolver.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Name of a bundle's directory for the files that a container writes. */
const SCRATCH = "scratch";

/**
 * Location of the files that a container writes:
 *
 * - `"tmpfs"`: in memory, up to `sizeBytes`; by default, half of the machine's memory;
 * - `"disk"`: in the directory of the bundle, whose file system must support upper directories.
 */
export type OverlayUpperPlace =
  | { readonly kind: "tmpfs"; readonly sizeBytes?: number }
  | { readonly kind: "disk" };

/** Options for {@linkcode OverlayBundler}. */
export interface OverlayBundlerOptions extends BundlerOptions {
  /**
   * Mounter of the overlays.
   *
   * By default, the kernel mounts.
   */
  readonly mounter?: OverlayMounter | undefined;
  /**
   * Location of the files that a container writes.
   *
   * By default, in memory if the kernel mounts, else on disk.
   */
  readonly upper?: OverlayUpperPlace | undefined;
  /**
   * Maximum number of layers to extract at once.
   *
   * The default is the number of processors.
   */
  readonly jobs?: number | undefined;
  /**
   * Whether to extract the layers once more, with the mapped owners, if `uidMap` or `gidMap` is set
   * but the kernel cannot map the owners in a mount: it needs Linux 5.19, a file system that
   * supports it, and root of the host. This takes time and space once for each map.
   *
   * @default {false}
   */
  readonly slowChown?: boolean | undefined;
}

/**
 * Creates bundles without copying files. The layers of an image, each extracted once for all images
 * and bundles, are the lower directories of an overlay mount. Writes go to an upper directory of
 * the bundle.
 *
 * Requires Linux, `--allow-ffi`, and root or root of a user namespace; {@linkcode overlaySupported}
 * tests whether it works. A bundle does not survive a reboot, since its mounts do not.
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
  #mapping: LayerMapping | undefined;

  /** Creates a bundler for the images of a store. */
  constructor(store: ContentStore, options: OverlayBundlerOptions = {}) {
    this.#store = store;
    this.#options = options;
  }

  /** Mounter from the options. */
  get mounter(): OverlayMounter | undefined {
    return this.#options.mounter;
  }

  /**
   * Returns the owners of the extracted layers that this bundler uses, for `prepare()`.
   *
   * @throws {BundleError} If this process cannot mount overlays, or cannot map owners as the options
   * demand.
   */
  async layerOwnership(): Promise<Ownership> {
    using _native = keepNativeBackend();
    const mounter = await this.#findMounter(this.#store.path);
    const mapping = await this.#findMapping(mounter, await openIdMaps(this.#options));
    return await this.#ownership(mapping);
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
   * @throws {BundleError} If the directory is not empty or this process cannot mount overlays.
   */
  async bundleIn(
    directory: string,
    image: Image,
    ...options: readonly SpecOption[]
  ): Promise<Bundle> {
    using _native = keepNativeBackend();
    const maps = await openIdMaps(this.#options);
    const mounter = await this.#findMounter(directory);
    const mapping = await this.#findMapping(mounter, maps);
    return await makeBundle({
      ...this.#options,
      directory,
      maps,
      kind: mounter.kind,
      store: this.#store.path,
      image,
      options,
      fill: (bundle) => this.#fill(bundle, image, mounter, mapping),
    });
  }

  /** Finds a mounter once and caches it. */
  async #findMounter(path: string): Promise<OverlayMounter> {
    const { path: root, onWait } = this.#store;
    const waiting = { onWait, signal: this.#options.signal };
    this.#mounter ??= this.#options.mounter ?? findKernelMounter(root, waiting).catch((error) => {
      // Let the next bundle try again.
      this.#mounter = undefined;
      throw error;
    });
    const mounter = await this.#mounter;
    if (typeof mounter !== "string") return mounter;
    throw new BundleError(mounter, path, {
      code: "overlay",
      action: `mount an overlay for "${path}"`,
      advice: "Use the uncompressed bundler",
      option: "bundler",
    });
  }

  /** Finds out once how owners are mapped. */
  async #findMapping(
    mounter: OverlayMounter,
    maps: IdMaps | undefined,
  ): Promise<LayerMapping | undefined> {
    if (maps === undefined) return undefined;
    const { slowChown = false, signal } = this.#options;
    const { findMapping } = await import("./_layer_mapping.ts");
    const { path, onWait } = this.#store;
    return this.#mapping ??= await findMapping(path, mounter, maps, { slowChown, onWait, signal });
  }

  async #ownership(mapping: LayerMapping | undefined): Promise<Ownership> {
    return mapping?.ownership ?? this.#options.ownership ??
      await defaultOwnership(this.#store.path);
  }

  async #fill(
    bundle: UnfinishedBundle,
    image: Image,
    mounter: OverlayMounter,
    mapping: LayerMapping | undefined,
  ): Promise<void> {
    // Checked before anything is extracted. A repeated layer is mounted once.
    const count = new Set(image.layers.map(({ diffId }) => diffId)).size;
    if (count > MAX_OVERLAY_LOWERS) {
      throw new LimitError("layers", MAX_OVERLAY_LOWERS, count, `${image.digest} for an overlay`);
    }
    const { upper, isTemporary: _, ...options } = this.#options;
    const ownership = await this.#ownership(mapping);
    const place: OverlayUpperPlace = upper ?? { kind: mounter.upper };
    const mounts = [...plannedMounts(bundle.id, place, mounter)];
    if (mapping?.mount !== undefined) mounts.push(mapping.mount.lowers);
    const layers = await this.#resolve(
      image,
      { ...options, mounter, ownership },
      (layers) => bundle.record({ layers, mounts }),
    );
    await mapping?.mount?.check(layers, bundle.path);
    await mountLayers(bundle, layers, { place, mounter, mapping });
  }

  /** Resolves the layers. A lock protects them from pruning until the bundle's record lists them. */
  async #resolve(
    image: Image,
    settings: LayerResolverOptions,
    recordLayers: (names: readonly string[]) => Promise<void>,
  ): Promise<readonly ExtractedLayer[]> {
    using _lock = await lockLayers(this.#store, "use", this.#options.signal);
    const { ownership, mounter: { namespace } } = settings;
    const found = findExtracted(this.#store.path, image, { ownership, namespace });
    const layers = found ?? await this.#extract(image, settings);
    await recordLayers(layers.map(({ name }) => name));
    return layers;
  }

  async #extract(image: Image, settings: LayerResolverOptions): Promise<readonly ExtractedLayer[]> {
    const { OverlayLayerResolver } = await import("./layer_resolver.ts");
    return await new OverlayLayerResolver(this.#store, settings).resolve(image);
  }
}

/** How the layers of a bundle are mounted. */
interface MountPlan {
  readonly place: OverlayUpperPlace;
  readonly mounter: OverlayMounter;
  readonly mapping: LayerMapping | undefined;
}

async function mountLayers(
  bundle: UnfinishedBundle,
  layers: readonly ExtractedLayer[],
  { place, mounter, mapping }: MountPlan,
): Promise<void> {
  const source = mountSource(bundle.id);
  const target = `${bundle.path}/${ROOTFS}`;
  const scratch = `${bundle.path}/${SCRATCH}`;
  makeDirectories(target, scratch);
  if (place.kind === "tmpfs") mountTmpfs(scratch, { ...place, source });
  const [upper, work] = [`${scratch}/upper`, `${scratch}/work`];
  makeDirectories(upper, work);
  copyRootMetadata(upper, layers, mapping);
  const lowers = lowersOf(layers);
  const layerMounter = lowers.length === 0 ? mounter : mapping?.mount?.mounter ?? mounter;
  if (lowers.length === 0) {
    // An overlay needs a lower directory even if the image has no layers.
    makeDirectories(`${scratch}/lower`);
    lowers.push(`${scratch}/lower`);
  }
  await layerMounter.mount(lowers, target, { upper, work, source });
  const mount = readMounts().findLast((mount) => mount.target === target);
  if (mount !== undefined && mount.source !== source) {
    // Its source does not identify it, so record its type and device instead.
    const { type, device } = mount;
    const others = plannedMounts(bundle.id, place, mounter)
      .filter(({ target }) => target !== ROOTFS);
    await bundle.record({ mounts: [...others, { target: ROOTFS, type, device }] });
  }
  // The kernel's overlay keeps the tmpfs alive, so it needs no separate mount.
  if (place.kind === "tmpfs" && mounter.kind === "overlay") {
    unmountTargets([scratch], `Cannot unmount "${scratch}"`);
    removeIfAny(scratch);
  }
}

/** Returns the mounts to make. They are recorded first, so that those of a killed process are found. */
function plannedMounts(
  id: string,
  place: OverlayUpperPlace,
  mounter: OverlayMounter,
): readonly BundleMount[] {
  const source = mountSource(id);
  // fuse-overlayfs chooses the source of its mount.
  const root = mounter.kind === "overlay" ? { source } : { type: `fuse.${mounter.kind}` };
  const scratch = { target: SCRATCH, source };
  return [...place.kind === "tmpfs" ? [scratch] : [], { target: ROOTFS, ...root }];
}
