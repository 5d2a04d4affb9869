import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { extractStream } from "./extract_stream.ts";
import type { DecompressOptions } from "../compression/decompressor.ts";
import type { ExtractReport } from "./extract_report.ts";
import type { LayerExtractorOptions } from "./extractor.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { OpenFileTreeOptions } from "../disk/open_tree.ts";
import type { TarLimits } from "../tar/tar_limits.ts";

/** Options for {@linkcode extractLayer}. */
export interface ExtractLayerOptions
  extends LayerExtractorOptions, OpenFileTreeOptions, TarLimits, DecompressOptions {
  /** Expected digest and size of the stream; not verified if absent. */
  readonly descriptor?: Descriptor | undefined;
  /** Expected digest of the archive; not verified if absent. */
  readonly diffId?: Digest | undefined;
  /**
   * Origin of the bytes in errors: a URL, or a path in quotes.
   *
   * @default The name of the layer.
   */
  readonly source?: string | undefined;
  /**
   * Called with the number of decompressed bytes so far. An error that it throws stops the
   * extraction.
   */
  readonly onPosition?: ((bytes: number) => void) | undefined;
  /** Aborts the extraction. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Verifies, decompresses and extracts one layer in a single pass.
 *
 * The content of the root counts as lower layers, so whiteouts apply to it. The stream is read
 * to its end, because unread bytes would not be verified. On failure, a root that this call
 * created is removed; an existing one keeps the extracted files.
 *
 * @param stream The bytes of the layer, compressed or not.
 * @param root Directory to extract into, created if it is missing; or an open tree, which stays open.
 * @param options Expected digests, limits and extraction options.
 * @returns What was done and what was skipped.
 * @throws {ExtractError} If an entry cannot be extracted, or the bytes are damaged.
 * @throws {PathEscapeError} If an entry would replace or hide the root.
 * @throws {DigestMismatchError} If the bytes do not match `descriptor`.
 * @throws {DiffIdMismatchError} If the archive does not match `diffId`.
 * @throws {LimitError} If the layer exceeds a limit.
 *
 * @example Extract a layer into a directory
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { assertEquals, assertStringIncludes } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * const report = await extractLayer(layer.readable, "./rootfs");
 *
 * assertEquals(report.skipped, []);
 * const release = await Deno.readTextFile("./rootfs/etc/os-release");
 * assertStringIncludes(release, "Alpine Linux");
 * ```
 */
export async function extractLayer(
  stream: ReadableStream<Uint8Array>,
  root: string | FileTree,
  options: ExtractLayerOptions = {},
): Promise<ExtractReport> {
  return (await extractStream(stream, root, options)).report;
}
