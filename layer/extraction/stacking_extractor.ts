import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { extractStream } from "./_extract_stream.ts";
import type { ExtractLayerOptions } from "./extract_layer.ts";
import { type ExtractReport, ReportBuilder } from "./extract_report.ts";
import type { FileTree } from "../trees/file_tree.ts";

/** A layer to be extracted; a `RemoteLayer` is one. */
export interface LayerSource {
  /** What the bytes must be. */
  readonly descriptor: Descriptor;
  /** What the decompressed bytes must be. */
  readonly diffId: Digest;
  /** Opens the bytes as they were served, most often compressed. */
  compressed(options?: { readonly signal?: AbortSignal }): Promise<ReadableStream<Uint8Array>>;
}

/** Options for {@linkcode StackingExtractor}. What concerns one layer comes from the layer. */
export interface StackingExtractorOptions
  extends Omit<ExtractLayerOptions, "layer" | "descriptor" | "diffId" | "mediaType" | "maxBytes"> {
  /**
   * Most decompressed bytes of all layers together; 0 stands for no limit.
   *
   * @default {21_474_836_480}
   */
  readonly maxBytes?: number | undefined;
}

const MAX_BYTES = 21_474_836_480;

/**
 * Extracts layers one over the other into one tree, the base first.
 *
 * What each layer has and hides is known to that layer's extraction alone: a whiteout removes what
 * the layers before it left, never what its own layer has.
 *
 * @example Two layers
 * ```ts
 * import { openFileTree, StackingExtractor } from "@x/oci/layer";
 * import { digestOf, OCI_LAYER } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new Uint8Array(1024);
 * const digest = digestOf(bytes);
 * const layer = {
 *   descriptor: { mediaType: OCI_LAYER, digest, size: bytes.length },
 *   diffId: digest,
 *   compressed: () => Promise.resolve(new Blob([bytes]).stream()),
 * };
 * const root = await Deno.makeTempDir();
 * using tree = openFileTree(root);
 * const extractor = new StackingExtractor(tree);
 *
 * await extractor.extract(layer);
 * await extractor.extract(layer);
 *
 * assertEquals(extractor.report().entries, 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class StackingExtractor {
  readonly #tree: FileTree;
  readonly #options: StackingExtractorOptions;
  readonly #report = new ReportBuilder();
  #bytes = 0;
  #isBusy = false;

  /** Starts over what the tree holds; the tree stays the caller's. */
  constructor(tree: FileTree, options: StackingExtractorOptions = {}) {
    this.#tree = tree;
    this.#options = options;
  }

  /**
   * Extracts the next layer. One at a time: each one needs those below it to be complete.
   *
   * @param layer The layer, whose bytes are verified.
   * @returns What was done for this layer.
   * @throws {ExtractError} If an entry cannot be extracted, or the bytes are damaged.
   * @throws {DigestMismatchError} If the bytes are not those of the layer's descriptor.
   * @throws {DiffIdMismatchError} If they decompress to something else than its DiffID.
   */
  async extract(layer: LayerSource): Promise<ExtractReport> {
    if (this.#isBusy) throw new TypeError("Cannot extract two layers at once: await the first");
    this.#isBusy = true;
    try {
      const { maxBytes = MAX_BYTES, signal } = this.#options;
      const { descriptor, diffId } = layer;
      const stream = await layer.compressed(signal === undefined ? {} : { signal });
      const { report, archiveBytes } = await extractStream(stream, this.#tree, {
        ...this.#options,
        descriptor,
        diffId,
        // 0 would be no limit at all.
        maxBytes: maxBytes === 0 ? 0 : Math.max(1, maxBytes - this.#bytes),
      });
      this.#bytes += archiveBytes;
      this.#report.add(report);
      return report;
    } finally {
      this.#isBusy = false;
    }
  }

  /** What was done for all layers so far. */
  report(): ExtractReport {
    return this.#report.build();
  }
}
