import type { Digest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type Index,
  type Manifest,
  type ManifestDocument,
  MAX_INDEX_DEPTH,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { isDocumentMediaType, OCI_INDEX } from "../../spec/image/media_types.ts";
import { parseIfJson } from "../../spec/json.ts";
import { layoutVersionProblem } from "../content/layout_directory.ts";
import { ArchiveError } from "../errors.ts";
import { type ArchivedImage, listedImages } from "../images/listed_images.ts";
import type { ArchiveContent } from "./_archive_content.ts";
import { MAX_LISTED_IMAGES } from "./_archive_limits.ts";

/** Checks the version of the layout in an archive. */
export function checkLayoutVersion(archive: string, bytes: Uint8Array): void {
  const layout = parseIfJson(new TextDecoder().decode(bytes));
  const problem = layoutVersionProblem(layout);
  if (problem !== undefined) throw new ArchiveError(archive, "format", problem);
}

/** Reads `index.json`. */
export function readOciImages(archive: string, bytes: Uint8Array): readonly ArchivedImage[] {
  const { kind, value } = parseDocument(archive, "index.json", bytes, OCI_INDEX, MAX_LISTED_IMAGES);
  return kind === "index" ? listedImages(value.manifests) : [];
}

/** A document of an archive, and the content that it lists. */
export interface ArchivedDocument {
  /** Its media type, digest and size. */
  readonly descriptor: Descriptor;
  /** Its bytes, verified. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Manifests and indexes that it references and the archive has. */
  readonly documents: readonly ArchivedDocument[];
  /** Blobs that it references: config and layers. */
  readonly blobs: readonly Descriptor[];
}

/** A document that has been read. */
interface KnownDocument {
  readonly document: ArchivedDocument;
  /** Number of levels of documents below it. */
  readonly levels: number;
}

/**
 * Reads a document and the documents that it references. An index may lack some of its manifests or
 * their blobs, but not all, because archives often have one of many platforms, and docker then saves
 * the manifests of the others too. Every blob of another manifest must exist.
 *
 * @throws {ArchiveError} If a part is missing, or the digest of a document is wrong.
 */
export type ReadArchived = (
  descriptor: Descriptor,
  signal: AbortSignal | undefined,
) => Promise<ArchivedDocument>;

/** Returns a function that reads the documents of an archive, each of them once. */
export function archivedReader(content: ArchiveContent): ReadArchived {
  const known = new Map<Digest, KnownDocument>();
  const read = async (
    descriptor: Descriptor,
    signal: AbortSignal | undefined,
    depth: number,
  ): Promise<KnownDocument> => {
    signal?.throwIfAborted();
    const { digest, mediaType } = descriptor;
    const lacking = content.incomplete.get(digest);
    if (lacking !== undefined) throw lacking;
    const found = known.get(digest);
    if (depth + (found?.levels ?? 0) > MAX_INDEX_DEPTH) {
      const problem = `its indexes nest deeper than ${MAX_INDEX_DEPTH}`;
      throw new ArchiveError(content.name, "hostile", problem);
    }
    if (found !== undefined) return found;
    const bytes = await content.readBlob(descriptor, { maxBytes: MAX_MANIFEST_BYTES });
    if (bytes === undefined) throw content.missing(digest);
    content.countDocument(digest, bytes.length);
    const { kind, value } = parseDocument(content.name, digest, bytes, mediaType);
    const { levels, ...parts } = kind === "manifest"
      ? { blobs: blobsOf(content, value), documents: [], levels: 0 }
      : await readIndex(content, value, (child) => read(child, signal, depth + 1));
    const result = { document: { descriptor, bytes, ...parts }, levels };
    known.set(digest, result);
    return result;
  };
  return async (descriptor, signal) => (await read(descriptor, signal, 0)).document;
}

/** Returns the blobs of a manifest that the archive must have. */
function blobsOf(content: ArchiveContent, { config, layers }: Manifest): readonly Descriptor[] {
  const blobs = [config, ...layers].filter((blob) => !isElsewhere(content, blob));
  const wrong = blobs.find((blob) => !content.has(blob));
  if (wrong !== undefined) throw sizeError(content, wrong);
  return blobs;
}

/** Reads the entries of an index that the archive has. */
async function readIndex(
  content: ArchiveContent,
  { manifests }: Index,
  read: (child: Descriptor) => Promise<KnownDocument>,
): Promise<Pick<ArchivedDocument, "documents" | "blobs"> & Pick<KnownDocument, "levels">> {
  const documents: ArchivedDocument[] = [];
  const blobs: Descriptor[] = [];
  let levels = 0;
  let lacking: ArchiveError | undefined;
  for (const child of manifests) {
    if (content.sizeOf(child.digest) === undefined) continue;
    if (!isDocumentMediaType(child.mediaType)) {
      blobs.push(child);
      continue;
    }
    let below: KnownDocument;
    try {
      below = await read(child);
    } catch (error) {
      if (!(error instanceof ArchiveError) || error.fault !== "incomplete") throw error;
      content.incomplete.set(child.digest, error);
      lacking ??= error;
      continue;
    }
    documents.push(below.document);
    levels = Math.max(levels, below.levels + 1);
  }
  const [first] = manifests;
  if (first !== undefined && documents.length + blobs.length === 0) {
    throw lacking ?? content.missing(first.digest);
  }
  return { documents, blobs, levels };
}

/** Parses a document of an archive; `subject` names the document in errors. */
function parseDocument(
  archive: string,
  subject: string,
  bytes: Uint8Array,
  mediaType: string,
  maxEntries?: number,
): ManifestDocument {
  try {
    return parseManifest(bytes, mediaType, undefined, maxEntries);
  } catch (cause) {
    if (cause instanceof LimitError) {
      const { limit, max, value } = cause;
      throw new LimitError(limit, max, value, `${subject} in "${archive}"`, cause.option);
    }
    if (!(cause instanceof SyntaxError)) throw cause;
    const problem = `${subject} is invalid: ${describeError(cause)}`;
    throw new ArchiveError(archive, "damaged", problem, { cause });
  }
}

/** Whether a blob is only at its URLs, such as a base layer of Windows. */
function isElsewhere(content: ArchiveContent, { digest, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && content.sizeOf(digest) === undefined;
}

function sizeError(content: ArchiveContent, { digest, size }: Descriptor): ArchiveError {
  const found = content.sizeOf(digest);
  if (found === undefined) return content.missing(digest);
  const problem = `${digest} has ${found} bytes instead of ${size}`;
  return new ArchiveError(content.name, "damaged", problem);
}
