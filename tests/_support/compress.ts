import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { concat } from "./bytes.ts";

/** Compresses with gzip: one member for each argument. */
export function gzip(...members: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat(...members.map((member) => gzipSync(member)));
}

/** Compresses with zstd: one frame, with a checksum, for each argument. */
export function zstd(...frames: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  return concat(...frames.map((frame) => zstdCompressSync(frame, { params })));
}

/** A frame that zstd decoders skip; `number` is 0 to 15. */
export function zstdSkippable(content: Uint8Array, number = 0): Uint8Array<ArrayBuffer> {
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, 0x184d2a50 + number, true);
  head.setUint32(4, content.length, true);
  return concat(new Uint8Array(head.buffer), content);
}
