import { type Digest, digestOf } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import { openBytes } from "../../spec/image/read_bytes.ts";
import { digestAlgorithm } from "../../spec/verifier.ts";
import type { Replacement } from "./copy_options.ts";

/** A descriptor in a document, possibly with unknown members. */
type RawDescriptor = Record<string, unknown>;

/**
 * Rewrites a document whose successors were replaced. Everything else in it stays.
 *
 * @returns The new document, or `undefined` if none of its successors was replaced.
 */
export function rewriteDocument(
  { descriptor, bytes }: ImageDocument<ManifestDocument>,
  copied: ReadonlyMap<Digest, Descriptor>,
): Replacement | undefined {
  if (copied.entries().every(([digest, stored]) => stored.digest === digest)) return undefined;
  const document = JSON.parse(new TextDecoder().decode(bytes));
  const renew = (raw: RawDescriptor): RawDescriptor => {
    const stored = copied.get(raw.digest as Digest);
    if (stored === undefined || stored.digest === raw.digest) return raw;
    const { mediaType, digest, size, annotations = raw.annotations } = stored;
    // Embedded data and the data at URLs are the old bytes.
    const { data: _data, urls: _urls, ...rest } = raw;
    return { ...rest, mediaType, digest, size, annotations };
  };
  if (document.config !== undefined) document.config = renew(document.config);
  for (const member of ["layers", "manifests"]) {
    if (Array.isArray(document[member])) document[member] = document[member].map(renew);
  }
  const rewritten = new TextEncoder().encode(JSON.stringify(document));
  const digest = digestOf(rewritten, digestAlgorithm(descriptor.digest));
  return {
    descriptor: { ...descriptor, digest, size: rewritten.length },
    open: openBytes(rewritten),
  };
}
