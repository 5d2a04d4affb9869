import { referrerDescriptor, referrersTag } from "../../registry/referrers.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type ManifestDocument,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { REF_NAME } from "../content/layout_index.ts";
import type { DocumentSource } from "./read_image.ts";

/** A layout or an archive. */
interface DocumentCollection extends DocumentSource {
  /** Lists the entries of its `index.json`. */
  descriptors(): Promise<readonly Descriptor[]>;
}

/**
 * Lists the documents of a layout or an archive with a digest as their `subject`: entries of its
 * `index.json`, and of an index under the referrers tag, where some tools list them instead.
 */
export async function layoutReferrers(
  layout: DocumentCollection,
  digest: Digest,
): Promise<readonly Descriptor[]> {
  const entries = [...await layout.descriptors()];
  const tag = referrersTag(digest);
  for (const entry of [...entries]) {
    const name = entry.annotations?.[REF_NAME];
    if (name !== tag && !name?.endsWith(`:${tag}`)) continue;
    const document = await readDocument(layout, entry);
    if (document?.kind === "index") entries.push(...document.value.manifests);
  }
  const found = new Map<Digest, Descriptor>();
  for (const entry of entries) {
    if (found.has(entry.digest)) continue;
    const document = await readDocument(layout, entry);
    if (document?.value.subject?.digest !== digest) continue;
    found.set(entry.digest, referrerDescriptor(entry, document));
  }
  return [...found.values()];
}

/** Returns whether an entry is about another document, such as a signature of it. */
export async function isReferrer(layout: DocumentSource, entry: Descriptor): Promise<boolean> {
  return (await readDocument(layout, entry))?.value.subject !== undefined;
}

/** Reads a document; `undefined` if it is missing, invalid, or of an unknown type. */
async function readDocument(
  layout: DocumentSource,
  entry: Descriptor,
): Promise<ManifestDocument | undefined> {
  if (!isDocumentMediaType(entry.mediaType)) return undefined;
  const bytes = await layout.readBlob(entry, { maxBytes: MAX_MANIFEST_BYTES });
  if (bytes === undefined) return undefined;
  try {
    return parseManifest(bytes, entry.mediaType);
  } catch (error) {
    // An invalid document refers to nothing.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
