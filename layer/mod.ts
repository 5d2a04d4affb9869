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
export * from "./adopt_directories.ts";
export * from "./apply_layers.ts";
export { detectCompression, DETECTION_SIZE } from "./compression.ts";
export * from "./decompress_error.ts";
export * from "./decompress_stream.ts";
export * from "./decompressor.ts";
export { copyDirectoryMetadata } from "./directory_metadata.ts";
export { decodeName, encodeName } from "./entry_name.ts";
export { ExtractError, type ExtractPlace, OwnershipError, PathEscapeError } from "./errors.ts";
export * from "./extract_layer.ts";
export * from "./extract_path.ts";
export { type ExtractReport, type SkippedEntry } from "./extract_report.ts";
export * from "./extractor.ts";
export { FileQueue, type FileQueueOptions } from "./file_queue.ts";
export type * from "./file_tree.ts";
export { type IdMaps, readIdMaps } from "./id_map.ts";
export { isOverlayXattr } from "./machine_xattrs.ts";
export * from "./memory_tree.ts";
export * from "./merge_layer.ts";
export { type MountEntry, readMounts } from "./mount_table.ts";
export * from "./native_backend.ts";
export * from "./open_tree.ts";
export * from "./overlay_mount.ts";
export type { IdRange, Owner, Ownership, OwnershipMap } from "./ownership.ts";
export * from "./remove_tree.ts";
export * from "./serve_files.ts";
export * from "./stacking_extractor.ts";
export * from "./staged_layer.ts";
export * from "./sync_file_system.ts";
export * from "./tar_error.ts";
export type * from "./tar_header.ts";
export * from "./tar_parser.ts";
export * from "./tar_writer.ts";
export * from "./tmpfs_mount.ts";
export * from "./unmount.ts";
export * from "./untar_stream.ts";
export * from "./whiteout.ts";
export * from "./whiteout_handler.ts";
