import type { Digest } from "../../spec/digest.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { referrerDescriptor, referrersTag } from "../../spec/image/referrers.ts";
import { present } from "../../spec/json.ts";
import { REF_NAME } from "../content/layout_index.ts";
import { type DocumentSource, readStoredDocument } from "./stored_document.ts";

/** A layout or an archive. */
export interface DocumentCollection extends DocumentSource {
  /** Lists the entries of its `index.json`: the same array while they do not change. */
  descriptors(): Promise<readonly Descriptor[]>;
}

/** Maximum size of annotations to remember, as JSON: those of a manifest may have megabytes. */
const MAX_REMEMBERED = 4096;
/** Maximum total size of larger annotations in one list, as in a list of a registry: 64 MiB. */
const MAX_LISTED = 64 * 1024 * 1024;

/** A document, as it is listed among the referrers of its subject. */
interface Referrer {
  readonly subject: Digest | undefined;
  /** Its descriptor, without large annotations. */
  readonly descriptor: Descriptor;
  /** Size of the annotations that the descriptor lacks; 0 if it has all. */
  readonly missing: number;
}

/** Documents that have been read, by the entries of their collection. */
const READ = new WeakMap<readonly Descriptor[], Map<Digest, Promise<Referrer | undefined>>>();

/**
 * Lists the documents of a layout or an archive that refer to a digest through `subject`: entries of
 * its `index.json`, and of an index under the referrers tag, where some tools list them instead.
 *
 * Descriptors lack annotations of more than 4096 characters once those before them have 64 MiB.
 */
export async function layoutReferrers(
  layout: DocumentCollection,
  digest: Digest,
): Promise<readonly Descriptor[]> {
  const listed = await layout.descriptors();
  const known = READ.getOrInsertComputed(listed, () => new Map());
  const entries = [...listed];
  const tag = referrersTag(digest);
  for (const entry of listed) {
    const name = entry.annotations?.[REF_NAME];
    if (name !== tag && !name?.endsWith(`:${tag}`)) continue;
    const document = await readDocument(layout, entry);
    if (document?.kind !== "index") continue;
    entries.push(...document.value.manifests.map(bareDescriptor));
  }
  const found = new Map<Digest, Descriptor>();
  let large = 0;
  for (const entry of entries) {
    if (found.has(entry.digest)) continue;
    const reading = known.getOrInsertComputed(entry.digest, () => readReferrer(layout, entry));
    const referrer = await reading.catch((error) => {
      known.delete(entry.digest);
      throw error;
    });
    // The document may be stored later.
    if (referrer === undefined) known.delete(entry.digest);
    if (referrer?.subject !== digest) continue;
    large += referrer.missing;
    const whole = referrer.missing > 0 && large <= MAX_LISTED
      ? await readDocument(layout, entry)
      : undefined;
    const descriptor = whole ? referrerDescriptor(entry, whole) : referrer.descriptor;
    found.set(entry.digest, descriptor);
  }
  return [...found.values()];
}

async function readReferrer(
  layout: DocumentSource,
  entry: Descriptor,
): Promise<Referrer | undefined> {
  const document = await readDocument(layout, entry);
  if (document === undefined) return undefined;
  const subject = document.value.subject?.digest;
  const { annotations, ...plain } = referrerDescriptor(entry, document);
  const size = annotations === undefined ? 0 : JSON.stringify(annotations).length;
  return size > MAX_REMEMBERED
    ? { subject, descriptor: plain, missing: size }
    : { subject, descriptor: { ...plain, ...present({ annotations }) }, missing: 0 };
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
  // An invalid document refers to nothing.
  return (await unlessRejected(readStoredDocument(layout, entry), SyntaxError))?.value;
}
