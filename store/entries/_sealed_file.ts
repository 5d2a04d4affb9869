import { Digester, isDigest } from "../../spec/digest.ts";
import { DigestMismatchError } from "../../spec/errors.ts";
import { verifyBytes } from "../../spec/verifier.ts";

const SUM_AT = 16;
const SUM_LENGTH = 71;
/** Offset of the sealed bytes of a file in `entries/`, after a magic number and their digest. */
export const SEALED_AT = 88;

/**
 * Writes the magic number of a file, and the digest of the sealed bytes.
 *
 * @param head The start of the file, complete from {@linkcode SEALED_AT} on.
 * @param magic The first 16 bytes of files of this format.
 * @param rest Further sealed bytes.
 */
export function seal(head: Uint8Array, magic: string, rest: readonly Uint8Array[] = []): void {
  const digester = new Digester();
  for (const bytes of [head.subarray(SEALED_AT), ...rest]) digester.update(bytes);
  const encoder = new TextEncoder();
  encoder.encodeInto(magic, head);
  encoder.encodeInto(digester.digest(), head.subarray(SUM_AT));
}

/** Whether all bytes after the magic number and the digest are sealed, and neither is damaged. */
export async function isSealed(bytes: Uint8Array<ArrayBuffer>, magic: string): Promise<boolean> {
  return textAt(bytes, 0, magic.length) === magic &&
    await hasDigest(bytes.subarray(SEALED_AT), textAt(bytes, SUM_AT, SUM_LENGTH));
}

/** Whether bytes have a digest, which may be damaged itself. */
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

/** Reads a text of known length. */
export function textAt(bytes: Uint8Array, at: number, length: number): string {
  return new TextDecoder().decode(bytes.subarray(at, at + length));
}
