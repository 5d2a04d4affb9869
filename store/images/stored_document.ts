import type { ImageDocument } from "../../spec/image/image.ts";
import {
  type ManifestDocument,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import type { Expectation } from "../../spec/verifier.ts";

/** A store, a layout or an archive, from which documents are read as a whole. */
export interface DocumentSource {
  /** Reads and verifies a small blob; `undefined` if it is missing. */
  readBlob(
    blob: Expectation,
    options: { readonly maxBytes: number },
  ): Promise<Uint8Array<ArrayBuffer> | undefined>;
}

/** A document to read, with its media type if that is known. */
export type ExpectedDocument = Expectation & { readonly mediaType?: string | undefined };

/**
 * Reads, verifies and parses a manifest or an index.
 *
 * @param maxLayers Maximum number of layers, as for `parseManifest()`.
 * @returns The document; `undefined` if it is missing.
 */
export async function readStoredDocument(
  source: DocumentSource,
  expected: ExpectedDocument,
  maxLayers?: number,
): Promise<ImageDocument<ManifestDocument> | undefined> {
  const { digest, mediaType } = expected;
  const bytes = await source.readBlob(expected, { maxBytes: MAX_MANIFEST_BYTES });
  if (bytes === undefined) return undefined;
  const value = parseManifest(bytes, mediaType, maxLayers);
  return {
    descriptor: { mediaType: value.value.mediaType, digest, size: bytes.length },
    bytes,
    value,
  };
}
