import { extractInto } from "./_extraction_root.ts";
import type { ExtractReport } from "./extract_report.ts";
import {
  type LayerSource,
  StackingExtractor,
  type StackingExtractorOptions,
} from "./stacking_extractor.ts";

/**
 * Extracts the layers of an image into one directory: the root file system of a container.
 *
 * On failure, a root that this call created is removed; an existing one keeps the extracted files.
 *
 * @param layers The layers, the base first.
 * @param root Directory to extract into, created if it is missing. Its content counts as lower layers.
 * @param options Limits and extraction options.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted, a layer's bytes are damaged, or `root` is not a
 *   directory.
 * @throws {PathEscapeError} If an entry would replace or hide the root.
 * @throws {DigestMismatchError} If the bytes of a layer do not match its descriptor.
 * @throws {DiffIdMismatchError} If the archive of a layer does not match its DiffID.
 * @throws {LimitError} If a layer exceeds a limit.
 * @throws {RangeError} If a limit is not a number >= 0.
 *
 * @example Unpack an image from a registry
 * ```ts
 * import { applyLayers } from "@x/oci/layer";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertStringIncludes } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const image = await client.image(parseReference("alpine:3.20"), { platform: "linux/amd64" });
 *
 * await applyLayers(image.layers, "./rootfs");
 *
 * const release = await Deno.readTextFile("./rootfs/etc/os-release");
 * assertStringIncludes(release, "Alpine Linux");
 * ```
 */
export async function applyLayers(
  layers: Iterable<LayerSource>,
  root: string,
  options: StackingExtractorOptions = {},
): Promise<ExtractReport> {
  return await extractInto(root, options, async (tree) => {
    const extractor = new StackingExtractor(tree, options);
    for (const layer of layers) {
      options.signal?.throwIfAborted();
      await extractor.extract(layer);
    }
    return extractor.report();
  });
}
