import { Digester, isDigest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { verifyBytes } from "../../spec/verifier.ts";
import { swapFile } from "../host/files.ts";

const SUM_AT = 16;
const SUM_LENGTH = 71;
/** Offset of the sealed bytes in a file: they follow the magic number and their digest. */
export const SEALED_AT = 88;

/**
 * Seals a file: writes its magic number, and the digest of all bytes from {@linkcode SEALED_AT} on.
 *
 * @param head The start of the file, with the sealed bytes in place.
 * @param magic The first 16 bytes of files of this format.
 * @param rest Sealed bytes that follow.
 */
export function seal(head: Uint8Array, magic: string, rest: readonly Uint8Array[] = []): void {
  const digester = new Digester();
  for (const bytes of [head.subarray(SEALED_AT), ...rest]) digester.update(bytes);
  const encoder = new TextEncoder();
  encoder.encodeInto(magic, head);
  encoder.encodeInto(digester.digest(), head.subarray(SUM_AT));
}

/** Replaces a sealed file. Ignores failures, since such a file is only a hint. */
export function replaceSealed(path: string, parts: Iterable<Uint8Array>): void {
  try {
    swapFile(path, parts);
  } catch {
    // The store is read-only or the disk is full. The layer is then read each time.
  }
}

/** Whether bytes begin with a magic number, and match the digest that follows it. */
export async function isSealed(bytes: Uint8Array<ArrayBuffer>, magic: string): Promise<boolean> {
  return textAt(bytes, 0, magic.length) === magic &&
    await hasDigest(bytes.subarray(SEALED_AT), textAt(bytes, SUM_AT, SUM_LENGTH));
}

/** Whether bytes match a digest, which may itself be damaged. */
export async function hasDigest(bytes: Uint8Array<ArrayBuffer>, digest: string): Promise<boolean> {
  if (!isDigest(digest)) return false;
  try {
    await verifyBytes(bytes, { digest });
    return true;
  } catch (error) {
    if (error instanceof DigestMismatchError) return false;
    throw error;
  }
}

export function textAt(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder().decode(bytes.subarray(at, at + length));
}
