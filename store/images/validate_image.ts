import type { Digest } from "../../spec/digest.ts";
import { DiffIdMismatchError, LimitError } from "../../spec/errors.ts";
import { MAX_LAYERS } from "../../spec/manifest.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import type { Image } from "./image.ts";

/** Options for {@linkcode validateImage}. */
export interface ValidateImageOptions {
  /**
   * The most layers that are accepted.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /** Stops the reading. */
  readonly signal?: AbortSignal | undefined;
  /** Is told of each layer that has been read whole and is right. */
  readonly onLayer?: ((digest: Digest) => void) | undefined;
}

/**
 * Reads an image whole and checks all that can be checked: that each document is the one that
 * points to it, that each layer's bytes have its digest, and that what they unpack to has the
 * DiffID that the config names.
 *
 * @param image An image in a store.
 * @param options Limits, and how to stop.
 * @throws {DigestMismatchError} If a document or a layer is not what its digest says.
 * @throws {DiffIdMismatchError} If a layer unpacks to something else than the config says.
 * @throws {LimitError} If there are too many layers.
 * @throws {SyntaxError} If the layers are not those of the manifest and the config.
 *
 * @example Validate an image without layers
 * ```ts
 * import { digestOf, OCI_CONFIG, OCI_MANIFEST, parseImageConfig, parseManifest } from "@x/oci/spec";
 * import { ContentStore, readImage, validateImage } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * const store = await ContentStore.open(directory);
 * const put = async (mediaType: string, value: unknown) => {
 *   const bytes = new TextEncoder().encode(JSON.stringify(value));
 *   const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
 *   await store.putBytes(descriptor, bytes);
 *   return descriptor;
 * };
 * const config = await put(OCI_CONFIG, {
 *   os: "linux",
 *   architecture: "amd64",
 *   rootfs: { type: "layers", diff_ids: [] },
 * });
 * const manifest = await put(OCI_MANIFEST, { schemaVersion: 2, config, layers: [] });
 *
 * const platform = { os: "linux", architecture: "amd64" };
 * const image = await readImage(store, manifest.digest, platform);
 * if (image !== undefined) await validateImage(image);
 *
 * assertEquals(image?.platform, platform);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function validateImage(
  image: Image,
  options: ValidateImageOptions = {},
): Promise<void> {
  const { maxLayers = MAX_LAYERS, signal, onLayer } = options;
  const { indexes, manifest, config, layers } = image;
  if (layers.length > maxLayers) {
    throw new LimitError("layers", maxLayers, layers.length, image.digest, "maxLayers");
  }
  for (const { bytes, descriptor } of [...indexes, manifest, config]) {
    await verifyBytes(bytes, descriptor);
  }
  verifyChain(image);
  for (const layer of layers) {
    const bytes = await layer.uncompressed(signal && { signal });
    await bytes.pipeTo(new WritableStream());
    onLayer?.(layer.digest);
  }
}

/** Each document must be pointed to by the one before, and the layers by manifest and config. */
function verifyChain({ digest, indexes, manifest, config, layers }: Image): void {
  const fail = (what: string): never => {
    throw new SyntaxError(`Cannot accept ${digest} as an image: ${what}`);
  };
  const pointers = [
    [digest],
    ...indexes.map(({ value }) => value.manifests.map((entry) => entry.digest)),
    [manifest.value.config.digest],
  ];
  [...indexes, manifest, config].forEach(({ descriptor }, i) => {
    if (!pointers[i]?.includes(descriptor.digest)) fail(`nothing points to ${descriptor.digest}`);
  });
  const { diffIds } = config.value;
  if (layers.length !== manifest.value.layers.length || layers.length !== diffIds.length) {
    fail(
      `there are ${layers.length} layers, ${manifest.value.layers.length} in the manifest and ` +
        `${diffIds.length} in the config`,
    );
  }
  layers.forEach((layer, i) => {
    const [blob, diffId] = [manifest.value.layers[i]?.digest, diffIds[i]];
    if (layer.digest !== blob) fail(`layer ${layer.digest} is not that of the manifest`);
    if (diffId !== undefined && layer.diffId !== diffId) {
      throw new DiffIdMismatchError(diffId, layer.diffId, layer.digest);
    }
  });
}
