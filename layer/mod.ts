/**
 * Image layers: bytes to files. Decompression, a tar reader that knows every dialect, and the
 * extraction of what they give.
 *
 * {@linkcode extractLayer} extracts a layer and {@linkcode applyLayers} the layers of an image,
 * one over the other; {@linkcode DecompressStream} and {@linkcode UntarStream} are the stages of
 * that for Web streams, and {@linkcode TarParser} is the one for who wants speed.
 *
 * Nothing here touches the network, and reading a layer needs no permission.
 *
 * ```ts
 * import { DecompressStream, UntarStream } from "@x/oci/layer";
 *
 * const layer = new Blob([new Uint8Array(1024)]).stream();
 * const entries = layer.pipeThrough(new DecompressStream()).pipeThrough(new UntarStream());
 * for await (const { path, header, readable } of entries) {
 *   console.log(header.type, path);
 *   await readable?.cancel();
 * }
 * ```
 *
 * @module
 */
export * from "./extraction/adopt_directories.ts";
export * from "./extraction/apply_layers.ts";
export { detectCompression, DETECTION_SIZE } from "./compression/compression.ts";
export * from "./compression/decompress_error.ts";
export * from "./compression/decompress_stream.ts";
export type * from "./compression/decompressor.ts";
export { openDecompressor } from "./compression/open_decompressor.ts";
export { copyDirectoryMetadata } from "./trees/directory_metadata.ts";
export { decodeName, encodeName } from "./entry_name.ts";
export { ExtractError, type ExtractPlace, OwnershipError, PathEscapeError } from "./errors.ts";
export * from "./extraction/extract_layer.ts";
export * from "./trees/extract_path.ts";
export { type ExtractReport, type SkippedEntry } from "./extraction/extract_report.ts";
export * from "./extraction/extractor.ts";
export type * from "./trees/file_tree.ts";
export { type IdMaps, readIdMaps } from "./extraction/id_map.ts";
export { isOverlayXattr } from "./trees/machine_xattrs.ts";
export * from "./trees/memory_tree.ts";
export * from "./extraction/merge_layer.ts";
export { type MountEntry, readMounts } from "./linux/mount_table.ts";
export * from "./linux/native_backend.ts";
export * from "./trees/open_tree.ts";
export * from "./linux/overlay_mount.ts";
export type { IdRange, Owner, Ownership, OwnershipMap } from "./extraction/ownership.ts";
export * from "./trees/remove_tree.ts";
export * from "./extraction/stacking_extractor.ts";
export * from "./extraction/staged_layer.ts";
export * from "./linux/sync_file_system.ts";
export * from "./tar/tar_error.ts";
export type * from "./tar/tar_header.ts";
export * from "./tar/tar_parser.ts";
export * from "./tar/tar_writer.ts";
export * from "./linux/tmpfs_mount.ts";
export * from "./linux/unmount.ts";
export * from "./tar/untar_stream.ts";
export * from "./extraction/whiteout.ts";
export * from "./extraction/whiteout_handler.ts";
