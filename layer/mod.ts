/**
 * Image layers: decompression, a tar reader for every dialect, and extraction.
 *
 * - {@linkcode extractLayer} extracts one layer into a directory, and {@linkcode applyLayers} the
 *   layers of an image.
 * - {@linkcode DecompressStream} and {@linkcode UntarStream} read layers as Web streams;
 *   {@linkcode openDecompressor} and {@linkcode TarParser} are faster and synchronous.
 * - {@linkcode MemoryTree} is a target that keeps only names and metadata, to list files.
 * - {@linkcode tarHeader} writes layers.
 *
 * Nothing here uses the network, and reading a layer needs no permission.
 *
 * ```ts
 * import { extractLayer } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 *
 * const { skipped } = await extractLayer(layer.readable, "./rootfs");
 *
 * assertEquals(skipped, []);
 * assertEquals(await Deno.readLink("./rootfs/bin/sh"), "busybox");
 * ```
 *
 * @module
 */
export { applyLayers } from "./extraction/apply_layers.ts";
export { detectCompression, DETECTION_SIZE } from "./compression/compression.ts";
export { DecompressError } from "./compression/decompress_error.ts";
export { DecompressStream } from "./compression/decompress_stream.ts";
export type {
  DecompressOptions,
  Decompressor,
  DecompressorOptions,
  DecompressSink,
} from "./compression/decompressor.ts";
export { openDecompressor } from "./compression/layer_decompressor.ts";
export { decodeName, encodeName } from "./file_name.ts";
export { ExtractError, type ExtractPlace, OwnershipError, PathEscapeError } from "./errors.ts";
export { extractLayer, type ExtractLayerOptions } from "./extraction/extract_layer.ts";
export type { ExtractReport, SkippedEntry } from "./extraction/extract_report.ts";
export {
  type ExtractHandler,
  LayerExtractor,
  type LayerExtractorOptions,
  type XattrMode,
} from "./extraction/extractor.ts";
export type { IdRange, Owner, Ownership, OwnershipMap } from "./extraction/ownership.ts";
export {
  type LayerReadOptions,
  type LayerSource,
  StackingExtractor,
  type StackingExtractorOptions,
} from "./extraction/stacking_extractor.ts";
export { parseWhiteout, type WhiteoutMark } from "./extraction/whiteout.ts";
export {
  type OverlayWhiteoutOptions,
  overlayWhiteouts,
  removingWhiteouts,
  type WhiteoutHandler,
  type WhiteoutMode,
} from "./extraction/whiteout_handler.ts";
export { TarError, type TarErrorPlace } from "./tar/tar_error.ts";
export type { TarEntryType, TarHeader, TarSegment, TarSink } from "./tar/tar_header.ts";
export type { TarLimits } from "./tar/tar_limits.ts";
export { TarParser } from "./tar/tar_parser.ts";
export type { LayerLimits } from "./extraction/layer_limits.ts";
export { tarHeader, type TarHeaderInput, tarPadding } from "./tar/tar_writer.ts";
export { type UntarEntry, UntarStream } from "./tar/untar_stream.ts";
export { cleanPath } from "./trees/clean_path.ts";
export type {
  FileStatus,
  FileTree,
  FileType,
  TreeBackend,
  TreeEntry,
  TreeFile,
  TreeName,
  TreeReader,
} from "./trees/file_tree.ts";
export { type ContentPlace, MemoryTree } from "./memory/memory_tree.ts";
export { openFileTree, type OpenFileTreeOptions } from "./disk/open_tree.ts";
