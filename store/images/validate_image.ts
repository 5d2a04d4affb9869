import type { Digest } from "../../spec/digest.ts";
import { checkLimits, explainedError } from "../../spec/error_facts.ts";
import { DiffIdMismatchError, LimitError } from "../../spec/errors.ts";
import { MAX_LAYERS } from "../../spec/image/manifest.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import type { Image } from "./image.ts";

/** Options for {@linkcode validateImage}. */
export interface ValidateImageOptions {
  /**
   * Maximum number of layers.
   *
   * @default {256}
   */
  readonly maxLayers?: number | undefined;
  /** Aborts the validation. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the digest of each valid layer. */
  readonly onLayer?: ((digest: Digest) => void) | undefined;
}

/**
 * Reads and verifies a complete image: the digest of each document, the digest of each layer, and
 * the DiffID of each uncompressed layer.
 *
 * @param image An image in a store.
 * @param options Limits, a callback and an abort signal.
 * @throws {DigestMismatchError} If a document or a layer does not match its digest.
 * @throws {DiffIdMismatchError} If the archive of a layer does not match its DiffID.
 * @throws {LimitError} If there are too many layers.
 * @throws {RangeError} If `maxLayers` is not a number >= 0.
 * @throws {SyntaxError} If the layers do not match the manifest and the config.
 *
 * @example Verify all layers of an image
 * ```ts no-assert
 * import { pull } from "@x/oci";
 * import { validateImage } from "@x/oci/store";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 *
 * // Throws if a byte of the image has changed.
 * await validateImage(image);
 * ```
 */
export async function validateImage(
  image: Image,
  options: ValidateImageOptions = {},
): Promise<void> {
  const { maxLayers = MAX_LAYERS, signal, onLayer } = options;
  const { indexes, manifest, config, layers } = image;
  checkLimits("validate an image", { maxLayers });
  if (layers.length > maxLayers) {
    throw new LimitError("layers", maxLayers, layers.length, image.digest, "maxLayers");
  }
  for (const { bytes, descriptor } of [...indexes, manifest, config]) {
    await verifyBytes(bytes, descriptor);
  }
  verifyChain(image);
  for (const layer of layers) {
    const bytes = await layer.uncompressed({ signal });
    await bytes.pipeTo(new WritableStream());
    onLayer?.(layer.digest);
  }
}

/**
 * Checks that each document is referenced by the previous one, and that the layers are those of the
 * manifest and the config.
 */
function verifyChain({ digest, indexes, manifest, config, layers }: Image): void {
  const fail = (what: string): never => {
    throw explainedError(SyntaxError, {
      code: "invalid-document",
      action: `accept ${digest} as an image`,
      subject: digest,
      problem: what,
    });
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
    if (layer.digest !== blob) fail(`layer ${layer.digest} differs from the layer in the manifest`);
    if (diffId !== undefined && layer.diffId !== diffId) {
      throw new DiffIdMismatchError(diffId, layer.diffId, layer.digest);
    }
  });
}
