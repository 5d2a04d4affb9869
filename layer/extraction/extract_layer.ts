import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { extractStream } from "./_extract_stream.ts";
import { openExtractionRoot } from "./_extraction_root.ts";
import type { DecompressOptions } from "../compression/decompressor.ts";
import type { ExtractReport } from "./extract_report.ts";
import type { LayerExtractorOptions } from "./extractor.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { OpenFileTreeOptions } from "../trees/open_tree.ts";
import type { TarLimits } from "../tar/tar_limits.ts";

/** Options for {@linkcode extractLayer}. */
export interface ExtractLayerOptions
  extends LayerExtractorOptions, OpenFileTreeOptions, TarLimits, DecompressOptions {
  /** What the bytes of the stream must be, compressed as they are; not checked if absent. */
  readonly descriptor?: Descriptor | undefined;
  /** What the decompressed bytes must be; not checked if absent. */
  readonly diffId?: Digest | undefined;
  /**
   * Names where the bytes come from, in errors: a URL, or a path in quotes.
   *
   * @default The layer's name.
   */
  readonly source?: string | undefined;
  /** Stops the extraction. */
  readonly signal?: AbortSignal | undefined;
  /** Is told what is odd but not fatal. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Extracts one layer: verifies, decompresses and parses it and makes its files, in one pass.
 *
 * What is in the root already counts as lower layers: whiteouts remove from it. The stream is read
 * to its end, as an unread rest would be unverified. On failure a root that this call made is
 * removed; one that was there before keeps what was extracted.
 *
 * @param stream The layer's bytes, compressed or not.
 * @param root Directory to extract into, made if it is missing; or an open tree, which stays open.
 * @param options What the bytes must be, limits, and how to extract.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted, or the bytes are damaged.
 * @throws {PathEscapeError} If an entry asks for something outside the root.
 * @throws {DigestMismatchError} If the bytes are not those of `descriptor`.
 * @throws {DiffIdMismatchError} If the decompressed bytes are not those of `diffId`.
 * @throws {LimitError} If the layer has more of something than is accepted.
 *
 * @example Extract a layer
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * const layer = new Blob([new Uint8Array(1024)]).stream();
 *
 * const report = await extractLayer(layer, root);
 *
 * assertEquals(report.entries, 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export async function extractLayer(
  stream: ReadableStream<Uint8Array>,
  root: string | FileTree,
  options: ExtractLayerOptions = {},
): Promise<ExtractReport> {
  if (typeof root !== "string") return (await extractStream(stream, root, options)).report;
  using opened = await openExtractionRoot(root, options);
  try {
    return (await extractStream(stream, opened.tree, options)).report;
  } catch (error) {
    await opened.discard();
    throw error;
  }
}
