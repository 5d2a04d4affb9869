import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { MAX_DECOMPRESSED_BYTES } from "../compression/decompressor.ts";
import type { FileTree } from "../trees/file_tree.ts";
import { type ExtractLayerOptions, extractStream } from "./extract_layer.ts";
import { type ExtractReport, ReportBuilder } from "./extract_report.ts";

/** Options for {@linkcode LayerSource.compressed}. */
export interface LayerReadOptions {
  /** Whether the source may skip verification. */
  readonly raw?: boolean | undefined;
  /** Aborts the read. */
  readonly signal?: AbortSignal | undefined;
}

/** A layer to extract, such as a `RemoteLayer`. */
export interface LayerSource {
  /** Expected digest and size of the bytes. */
  readonly descriptor: Descriptor;
  /** Expected digest of the archive. */
  readonly diffId: Digest;
  /**
   * Opens the bytes as served, usually compressed.
   *
   * @param options `raw` is set: the extractor verifies the bytes, so the source need not.
   */
  compressed(options?: LayerReadOptions): Promise<ReadableStream<Uint8Array>>;
}

/** Options for {@linkcode StackingExtractor}. */
export interface StackingExtractorOptions
  extends Omit<ExtractLayerOptions, "layer" | "descriptor" | "diffId" | "mediaType" | "maxBytes"> {
  /**
   * Maximum number of decompressed bytes of all layers together; 0 means no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
}

/**
 * Extracts layers over each other into one tree, the base first.
 *
 * A whiteout removes entries of earlier layers, never those of the same layer.
 *
 * @example Extract the layers of an image one by one
 * ```ts
 * import { MemoryTree, StackingExtractor } from "@x/oci/layer";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const image = await client.image(parseReference("alpine:3.20"));
 * const tree = new MemoryTree();
 * const extractor = new StackingExtractor(tree);
 *
 * for (const layer of image.layers) {
 *   const { skipped } = await extractor.extract(layer);
 *   assertEquals(skipped, []);
 * }
 *
 * assertEquals(tree.status("bin/sh")?.type, "symlink");
 * ```
 */
export class StackingExtractor {
  readonly #tree: FileTree;
  readonly #options: StackingExtractorOptions;
  readonly #report = new ReportBuilder();
  #bytes = 0;
  #isBusy = false;

  /** Creates an extractor. The content of the tree counts as lower layers. */
  constructor(tree: FileTree, options: StackingExtractorOptions = {}) {
    this.#tree = tree;
    this.#options = options;
  }

  /**
   * Verifies and extracts the next layer. Await each call before the next one.
   *
   * @param layer The layer.
   * @returns The report for this layer.
   * @throws {ExtractError} If an entry cannot be extracted, or the bytes are damaged.
   * @throws {DigestMismatchError} If the bytes do not match the descriptor.
   * @throws {DiffIdMismatchError} If the archive does not match the DiffID.
   */
  async extract(layer: LayerSource): Promise<ExtractReport> {
    if (this.#isBusy) throw new TypeError("Cannot extract two layers at once: await the first");
    this.#isBusy = true;
    try {
      const { maxBytes = MAX_DECOMPRESSED_BYTES, signal } = this.#options;
      const { descriptor, diffId } = layer;
      const stream = await layer.compressed({ raw: true, signal });
      const { report, archiveBytes } = await extractStream(stream, this.#tree, {
        ...this.#options,
        descriptor,
        diffId,
        // 0 would mean no limit.
        maxBytes: maxBytes === 0 ? 0 : Math.max(1, maxBytes - this.#bytes),
      });
      this.#bytes += archiveBytes;
      this.#report.add(report);
      return report;
    } finally {
      this.#isBusy = false;
    }
  }

  /** Returns the report for all layers so far. */
  report(): ExtractReport {
    return this.#report.build();
  }
}
