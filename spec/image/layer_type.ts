import { OciError } from "../errors.ts";
import type { Descriptor } from "./descriptor.ts";
import { layerMediaType } from "./media_types.ts";

/**
 * Thrown when the media type of a layer does not denote a tar archive that can be read.
 *
 * @example Get the media type of a layer that is not an archive
 * ```ts
 * import { checkLayerType, digestOf, LayerTypeError } from "@x/oci/spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const digest = digestOf(new TextEncoder().encode("a file system"));
 * const layer = { mediaType: "application/vnd.erofs.layer.v1", digest, size: 13 };
 *
 * const error = assertThrows(() => checkLayerType(layer), LayerTypeError);
 *
 * assertEquals(error.mediaType, layer.mediaType);
 * ```
 */
export class LayerTypeError extends OciError {
  /** Digest of the layer. */
  readonly layer: string;
  /** Media type of the layer. */
  readonly mediaType: string;

  /** Creates the error for a layer. */
  constructor({ digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">) {
    super(`its media type "${mediaType}" is ${kindOf(mediaType)}`, {
      code: "layer-type",
      action: `read layer ${digest}`,
      subject: digest,
    });
    this.layer = digest;
    this.mediaType = mediaType;
  }
}

/**
 * Checks that the media type of a layer denotes a tar archive, compressed or not.
 *
 * Other content could be mistaken for an archive: a file system image begins with zeros, like an
 * empty archive.
 *
 * @param descriptor Descriptor of the layer.
 * @throws {LayerTypeError} If it is not; the message names the media type.
 *
 * @example Refuse a layer that is not a tar archive
 * ```ts
 * import { checkLayerType, digestOf, LayerTypeError } from "@x/oci/spec";
 * import { assertThrows } from "@std/assert";
 *
 * const mediaType = "application/vnd.erofs.layer.v1";
 * const digest = digestOf(new TextEncoder().encode("a file system"));
 *
 * assertThrows(() => checkLayerType({ mediaType, digest, size: 13 }), LayerTypeError);
 * ```
 */
export function checkLayerType(descriptor: Descriptor): void {
  if (layerMediaType(descriptor.mediaType) === undefined) throw new LayerTypeError(descriptor);
}

function kindOf(mediaType: string): string {
  if (mediaType.endsWith("+encrypted")) return "an encrypted layer, which cannot be decrypted";
  const [, system] = /\b(erofs|ext[234]|squashfs|btrfs|xfs)\b/.exec(mediaType) ?? [];
  if (system !== undefined) return `a file system image (${system}), not a tar archive`;
  return "not that of a tar archive compressed with gzip or zstd";
}
