import type { ContentSource } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type ManifestDocument,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { readBytes } from "../../spec/image/read_bytes.ts";

export async function readDocument(
  source: ContentSource,
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
): Promise<ManifestDocument> {
  const bytes = await readContent(source, descriptor, MAX_MANIFEST_BYTES, signal);
  return parseManifest(bytes, descriptor.mediaType);
}

/**
 * Reads and verifies a document or a blob.
 *
 * @throws {LimitError} If it is larger than `maxBytes`.
 */
export async function readContent(
  source: ContentSource,
  descriptor: Descriptor,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const open = () => source.fetch(descriptor, { raw: true, signal });
  return await readBytes(descriptor, open, { maxBytes, signal });
}
