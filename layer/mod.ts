/**
 * Image layers: bytes to files. Decompression, a tar reader that knows every dialect, and the
 * extraction of what they give.
 *
 * Nothing here touches the network, and reading a layer needs no permission.
 *
 * ```ts
 * import { TarParser } from "@x/oci/layer";
 *
 * const parser = new TarParser({
 *   entry: (header) => console.log(header.type, header.path),
 *   data() {},
 *   end() {},
 * });
 * parser.push(new Uint8Array(1024));
 * parser.finish();
 * ```
 *
 * @module
 */
export { detectCompression, DETECTION_SIZE } from "./compression.ts";
export * from "./decompress_error.ts";
export * from "./decompress_stream.ts";
export * from "./decompressor.ts";
export { decodeName, encodeName } from "./entry_name.ts";
export * from "./tar_error.ts";
export * from "./tar_header.ts";
export * from "./tar_parser.ts";
