import { openExtractionRoot } from "./_extraction_root.ts";
import type { ExtractReport } from "./extract_report.ts";
import {
  type LayerSource,
  StackingExtractor,
  type StackingExtractorOptions,
} from "./stacking_extractor.ts";

/**
 * Extracts the layers of an image into one directory: what a container of the image would see as
 * its root.
 *
 * The result is that of extracting them one after the other. On failure a root that this call
 * made is removed; one that was there before keeps what was extracted.
 *
 * @param layers The layers, the base first.
 * @param root Directory to extract into, made if it is missing. What it holds counts as lower
 * layers.
 * @param options Limits, and how to extract.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted, or a layer's bytes are damaged.
 * @throws {PathEscapeError} If an entry asks for something outside the root.
 * @throws {DigestMismatchError} If a layer's bytes are not those of its descriptor.
 * @throws {DiffIdMismatchError} If a layer's decompressed bytes are not those of its DiffID.
 * @throws {LimitError} If there is more of something than is accepted.
 *
 * @example Unpack an image
 * ```ts
 * import { applyLayers } from "@x/oci/layer";
 * import { digestOf, OCI_LAYER } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(1024);
 * const digest = digestOf(bytes);
 * const root = await Deno.makeTempDir();
 *
 * const report = await applyLayers([{
 *   descriptor: { mediaType: OCI_LAYER, digest, size: bytes.length },
 *   diffId: digest,
 *   compressed: () => Promise.resolve(new Blob([bytes]).stream()),
 * }], root);
 *
 * assertEquals(report.entries, 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function applyLayers(
  layers: Iterable<LayerSource>,
  root: string,
  options: StackingExtractorOptions = {},
): Promise<ExtractReport> {
  using opened = await openExtractionRoot(root, options);
  try {
    const extractor = new StackingExtractor(opened.tree, options);
    for (const layer of layers) {
      options.signal?.throwIfAborted();
      await extractor.extract(layer);
    }
    return extractor.report();
  } catch (error) {
    await opened.discard();
    throw error;
  }
}
