import { LimitError } from "../errors.ts";
import { verifyBytes } from "../verifier.ts";
import type { OpenContent } from "./content.ts";
import type { Descriptor } from "./descriptor.ts";

/** Returns a function that opens bytes in memory. */
export function openBytes(bytes: Uint8Array<ArrayBuffer>): OpenContent {
  return ({ offset = 0 } = {}) => Promise.resolve(new Blob([bytes.subarray(offset)]).stream());
}

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
 * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
 *
 * @example Read a small blob of a registry into memory
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { parseImageConfig, readBytes } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * using client = new RemoteClient();
 * const alpine = parseReference("alpine:3.20");
 * const { manifest } = await client.image(alpine);
 *
 * const { config } = manifest.value;
 * const open = () => client.blob(alpine, config);
 * const bytes = await readBytes(config, open, { maxBytes: 1024 * 1024 });
 *
 * assertEquals(parseImageConfig(bytes).config.Cmd, ["/bin/sh"]);
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
    signal?.throwIfAborted();
    // Surplus bytes are only counted.
    if (filled + chunk.length <= size) bytes.set(chunk, filled);
    filled += chunk.length;
    if (filled > size) break;
  }
  const isWhole = filled === size;
  await verifyBytes(isWhole ? bytes : new Uint8Array(Math.min(filled, size + 1)), descriptor);
  return bytes;
}
