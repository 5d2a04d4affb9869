import { LimitError } from "../errors.ts";
import { verifyBytes } from "../verifier.ts";
import type { OpenContent } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";

/** Options for {@linkcode readBytes}. */
export interface ReadBytesOptions {
  /** Maximum number of bytes to read. */
  readonly maxBytes: number;
  /** Aborts the read. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads and verifies content.
 *
 * @param descriptor Expected digest and size.
 * @param open Opens the bytes.
 * @param options Size limit and signal.
 * @returns The bytes.
 * @throws {DigestMismatchError} If the bytes do not match the descriptor.
 * @throws {LimitError} If there are more than `maxBytes`.
 *
 * @example Read a small document
 * ```ts
 * import { digestOf, OCI_CONFIG, readBytes } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("{}");
 * const descriptor = { mediaType: OCI_CONFIG, digest: digestOf(bytes), size: 2 };
 * const open = () => Promise.resolve(new Blob([bytes]).stream());
 *
 * assertEquals(await readBytes(descriptor, open, { maxBytes: 1024 }), bytes);
 * ```
 */
export async function readBytes(
  descriptor: Descriptor,
  open: OpenContent,
  options: ReadBytesOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const { maxBytes, signal } = options;
  const { digest, size } = descriptor;
  if (size > maxBytes) throw new LimitError("bytes", maxBytes, size, digest);
  const bytes = new Uint8Array(size);
  let filled = 0;
  for await (const chunk of await open({ signal, raw: true })) {
    // Surplus bytes are only counted.
    if (filled + chunk.length <= size) bytes.set(chunk, filled);
    filled += chunk.length;
    if (filled > size) break;
  }
  const isWhole = filled === size;
  await verifyBytes(isWhole ? bytes : new Uint8Array(Math.min(filled, size + 1)), descriptor);
  return bytes;
}
