import type { Compression } from "../../spec/image/media_types.ts";
import { BLOCK, checkBlock, dialectOf } from "../tar/tar_fields.ts";

/** Number of bytes that {@linkcode detectCompression} needs: one block of a tar archive. */
export const DETECTION_SIZE: number = BLOCK;

/**
 * Detects the compression of a layer from its first bytes: gzip, zstd, or none, which is a tar
 * archive of any dialect.
 *
 * @param head The first {@linkcode DETECTION_SIZE} bytes, or fewer if the layer is shorter.
 * @returns The compression, or `undefined` if the format is unknown or there are too few bytes.
 *
 * @example Detect the compression of a file
 * ```ts
 * import { detectCompression, DETECTION_SIZE } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.readFile("./layer.tar.gz");
 *
 * assertEquals(detectCompression(layer.subarray(0, DETECTION_SIZE)), "gzip");
 * ```
 */
export function detectCompression(head: Uint8Array): Compression | undefined {
  if (head[0] === 0x1f && head[1] === 0x8b) return "gzip";
  if (head.length < 4) return undefined;
  const magic = new DataView(head.buffer, head.byteOffset).getUint32(0, true);
  if (isZstdMagic(magic)) return "zstd";
  if (head.length < BLOCK) return undefined;
  return dialectOf(head, 0) !== "v7" || checkBlock(head, 0) !== "damaged" ? "none" : undefined;
}

/** Unsupported formats by their magic numbers in hexadecimal. */
const UNSUPPORTED: Readonly<Record<string, string>> = {
  "425a68": "bzip2",
  "fd377a585a": "xz",
  "504b0304": "zip",
  "04224d18": "lz4",
};

/** Returns the name of a known but unsupported format from its first bytes. */
export function unsupportedFormat(head: Uint8Array): string | undefined {
  const hex = head.subarray(0, 8).toHex();
  return Object.entries(UNSUPPORTED).find(([magic]) => hex.startsWith(magic))?.[1];
}

/** Magic number of a zstd frame, little-endian (RFC 8878, section 3.1). */
export const ZSTD_MAGIC = 0xfd2fb528;

/** Whether a magic number is that of a skippable frame (RFC 8878, section 3.1.2). */
export function isSkippableMagic(magic: number): boolean {
  return magic >= 0x184d2a50 && magic <= 0x184d2a5f;
}

function isZstdMagic(magic: number): boolean {
  return magic === ZSTD_MAGIC || isSkippableMagic(magic);
}
