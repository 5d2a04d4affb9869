import type { LayerLimits } from "../../layer/extraction/layer_limits.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { explainedError } from "../../spec/error_facts.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import type { Image } from "../../store/images/image.ts";
import type { PrepareLayersOptions } from "../../store/overlay/prepare_layers.ts";
import type {
  UnpackImageOptions,
  UnpackReport,
} from "../../store/unpacking/unpack_image_options.ts";
import type { PullOptions } from "../pull_options.ts";

/** Options for {@linkcode unpack}. */
export interface UnpackOptions
  extends
    PullOptions,
    Omit<UnpackImageOptions, "onProgress" | "onLayer" | "onRead" | "beforePublish"> {
  /**
   * Number of the only layer to unpack; 0 is the base. It is extracted over nothing, so its
   * whiteouts hide nothing and leave no trace, and a hard link to a file of another layer is an
   * error. No other layer is fetched, and the name of the image is not recorded in the store.
   *
   * By default, the layers over each other.
   */
  readonly layer?: number | undefined;
}

/** An unpacked image. */
export interface UnpackedImage {
  /** The image, complete in the store unless the report says that only parts were fetched. */
  readonly image: Image;
  /** What was done and what was skipped. */
  readonly report: UnpackReport;
}

/**
 * Unpacks an image into a directory. Pulls what the store lacks in the same pass, following the
 * policy, and also throws the errors of {@linkcode pull}.
 *
 * With `paths`, it may fetch only parts of layers that have tables of contents, and store nothing.
 * {@linkcode unpackImage} unpacks an image that is already in the store.
 *
 * @param reference Reference, such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or
 * `oci:./layout:v1`.
 * @param directory An empty or missing directory.
 * @param options Store, platform, credentials, paths to unpack and extraction options.
 * @returns The image and a report.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {UnpackError} If the directory is not empty.
 * @throws {RangeError} If the name of the directory is empty, the image does not have the layer, or
 * `strip` is not a non-negative integer.
 * @throws {ExtractError} If an entry of a layer cannot be extracted.
 * @throws {DigestMismatchError} If content does not match its digest.
 * @throws {SignatureError} If the image lacks a signature that `verify` requires.
 *
 * @example Unpack some directories of an image
 * ```ts
 * import { unpack } from "@x/oci";
 * import { assertEquals } from "@std/assert";
 *
 * const { report } = await unpack("alpine:3.20", "./rootfs", {
 *   store: "./store",
 *   paths: ["etc"],
 * });
 *
 * assertEquals(report.skipped, []);
 * assertEquals([...Deno.readDirSync("./rootfs")].map(({ name }) => name), ["etc"]);
 * ```
 */
export async function unpack(
  reference: Reference | string,
  directory: string,
  options: UnpackOptions = {},
): Promise<UnpackedImage> {
  const { pullForUse } = await import("./_pull_for_use.ts");
  const { openImageSource } = await import("./_image_source.ts");
  using source = await openImageSource(reference, options);
  const unpacking = loadEarly(() => import("../../store/unpacking/unpack_image.ts"));
  if (directory === "" || hasContent(directory)) {
    const { checkUnpackDirectory } = await unpacking;
    await checkUnpackDirectory(source.store, directory, options);
  }
  const { paths, partial = true, layer: only } = options;
  const { beginningOrder } = await import("../../store/unpacking/beginning_order.ts");
  const mayBePartial = paths !== undefined && partial
    ? (await import("../../store/lazy/has_table.ts")).hasTable
    : () => false;
  const { image, result: report } = await pullForUse(source, async (found, listener, keep) => {
    const { unpackImage } = await unpacking;
    const layers = only === undefined ? found.layers : [oneLayer(found, only, source.reference)];
    for (const { descriptor } of found.layers) {
      if (layers.every((layer) => layer.descriptor.digest !== descriptor.digest)) {
        listener.onPartialLayer(descriptor);
      }
    }
    return await unpackImage(source.store, { ...found, layers }, directory, {
      ...options,
      ...listener,
      onPartialLayer: (layer) => {
        listener.onPartialLayer(layer);
        options.onPartialLayer?.(layer);
      },
      // If the rest of the image cannot be stored, the directory must stay empty.
      beforePublish: async ({ isPartial }) => {
        if (!isPartial && only === undefined) await keep();
      },
    });
  }, {
    earlyLayers: (layers) => {
      const used = only === undefined ? layers : layers.slice(only, only + 1);
      return beginningOrder(used).flatMap(({ layer }) => mayBePartial(layer) ? [] : [layer]);
    },
    jobs: options.jobs,
  });
  return { image, report: { ...report, isPartial: report.isPartial || only !== undefined } };
}

/** Returns a layer of an image by its number. */
function oneLayer(
  { layers, digest }: RemoteImage,
  number: number,
  reference: Reference,
): RemoteLayer {
  const layer = layers[number];
  if (layer !== undefined) return layer;
  const subject = formatReference({ ...reference, digest });
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `unpack layer ${number} of "${subject}"`,
    subject,
    problem: layers.length === 0
      ? "it has no layers"
      : `its top layer has the number ${layers.length - 1}`,
    advice: "Choose another layer",
    option: "layer",
  });
}

/** Options for {@linkcode prepare}. */
export interface PrepareOptions
  extends PullOptions, LayerLimits, Pick<PrepareLayersOptions, "mounter" | "ownership"> {}

/**
 * Pulls an image into the store like {@linkcode pull} and extracts its layers for the overlay
 * bundler in the same pass. See {@linkcode prepareLayers}. Also throws the errors of `pull()`.
 *
 * @param reference Reference, such as `alpine:3.20`, `ghcr.io/owner/app@sha256:…` or
 * `oci:./layout:v1`.
 * @param options Store, platform, credentials, owners of files, and callbacks.
 * @returns The complete image in the store.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {BundleError} If this process cannot mount overlays.
 * @throws {ExtractError} If a layer cannot be extracted.
 * @throws {DigestMismatchError} If content does not match its digest.
 * @throws {SignatureError} If the image lacks a signature that `verify` requires.
 *
 * @example Prepare an image for its first bundle
 * ```ts no-assert
 * import { prepare } from "@x/oci";
 * import { type Bundle, ContentStore, OverlayBundler } from "@x/oci/store";
 *
 * async function bundle(reference: string, id: string): Promise<Bundle> {
 *   const image = await prepare(reference, { store: "./store" });
 *   // The layers are extracted already, so this only mounts them.
 *   return await new OverlayBundler(await ContentStore.open("./store")).bundle(image, id);
 * }
 * ```
 */
export async function prepare(
  reference: Reference | string,
  options: PrepareOptions = {},
): Promise<Image> {
  const { mounter, ownership, ...pulling } = options;
  const { jobs } = options;
  const { pullForUse } = await import("./_pull_for_use.ts");
  const { openImageSource } = await import("./_image_source.ts");
  using source = await openImageSource(reference, pulling);
  const preparing = loadEarly(() => import("../../store/overlay/prepare_layers.ts"));
  const { image } = await pullForUse(source, async (found, listener, keep) => {
    const { prepareLayers } = await preparing;
    const layers = await prepareLayers(source.store, found, { ...options, ...listener });
    await keep();
    return layers;
  }, {
    jobs,
    findResult: async (found) => {
      if (mounter === undefined) return undefined;
      const { findPrepared } = await preparing;
      return await findPrepared(source.store, found, { mounter, ownership });
    },
  });
  return image;
}

/** Whether a path exists and is not an empty directory. */
function hasContent(directory: string): boolean {
  try {
    for (const _ of Deno.readDirSync(directory)) return true;
    return false;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

/** Loads a module while the registry responds. An error is reported where the module is used. */
function loadEarly<T>(load: () => Promise<T>): Promise<T> {
  const loading = load();
  loading.catch(() => {});
  return loading;
}
