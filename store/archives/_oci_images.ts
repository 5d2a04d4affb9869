import type { Digest } from "../../spec/digest.ts";
import { describeError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import {
  type ManifestDocument,
  MAX_INDEX_DEPTH,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { isIndexMediaType, isManifestMediaType, OCI_INDEX } from "../../spec/image/media_types.ts";
import { CONTAINERD_NAME, REF_NAME } from "../content/layout_index.ts";
import { ArchiveError } from "../errors.ts";
import type { ArchiveContent } from "./_archive_content.ts";

/** An image, or another document, that an archive has. */
export interface ArchivedImage {
  /** Its index or manifest. */
  readonly descriptor: Descriptor;
  /** One name, in as many forms as the archive has, the most complete first; none if it has no name. */
  readonly names: readonly string[];
}

/** Reads `index.json`. */
export function readOciImages(archive: string, bytes: Uint8Array): readonly ArchivedImage[] {
  let document: ManifestDocument;
  try {
    document = parseManifest(bytes, OCI_INDEX);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ArchiveError(
      archive,
      "damaged",
      `its index.json is invalid: ${describeError(error)}`,
      {
        cause: error,
      },
    );
  }
  if (document.kind !== "index") return [];
  return document.value.manifests.map((descriptor) => {
    const { annotations = {} } = descriptor;
    const names = [annotations[CONTAINERD_NAME], annotations[REF_NAME]];
    return { descriptor, names: names.filter((name) => name !== undefined) };
  });
}

/** A document of an archive, and the content that it lists. */
export interface ArchivedDocument {
  /** Its media type, digest and size. */
  readonly descriptor: Descriptor;
  /** Its bytes, verified. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Manifests and indexes that it names and the archive has. */
  readonly documents: readonly ArchivedDocument[];
  /** Blobs that it names: config and layers. */
  readonly blobs: readonly Descriptor[];
}

/**
 * Reads a document and all below it. Some manifests of an index may be missing, because archives
 * often hold one platform of many, but not all; every blob of a manifest must exist.
 *
 * @throws {ArchiveError} If a part is missing, or the digest of a document is wrong.
 */
export async function readArchivedDocument(
  content: ArchiveContent,
  descriptor: Descriptor,
  signal?: AbortSignal,
): Promise<ArchivedDocument> {
  return await readDocument(content, descriptor, new Map(), 0, signal);
}

async function readDocument(
  content: ArchiveContent,
  descriptor: Descriptor,
  known: Map<Digest, ArchivedDocument>,
  depth: number,
  signal: AbortSignal | undefined,
): Promise<ArchivedDocument> {
  signal?.throwIfAborted();
  const seen = known.get(descriptor.digest);
  if (seen !== undefined) return seen;
  if (depth > MAX_INDEX_DEPTH) {
    throw new ArchiveError(
      content.name,
      "hostile",
      `its indexes nest deeper than ${MAX_INDEX_DEPTH}`,
    );
  }
  const bytes = await content.read(descriptor, MAX_MANIFEST_BYTES);
  if (bytes === undefined) throw content.missing(descriptor.digest);
  const { kind, value } = parseDocument(content, descriptor, bytes);
  const documents: ArchivedDocument[] = [];
  const blobs: Descriptor[] = [];
  if (kind === "manifest") {
    for (const blob of [value.config, ...value.layers]) {
      if (isForeign(content, blob)) continue;
      if (!content.has(blob)) throw sizeError(content, blob);
      blobs.push(blob);
    }
  } else {
    for (const child of value.manifests) {
      const isDocument = isIndexMediaType(child.mediaType) || isManifestMediaType(child.mediaType);
      if (content.sizeOf(child.digest) === undefined) continue;
      if (!isDocument) blobs.push(child);
      else documents.push(await readDocument(content, child, known, depth + 1, signal));
    }
    const [first] = value.manifests;
    if (first !== undefined && documents.length === 0 && blobs.length === 0) {
      throw content.missing(first.digest);
    }
  }
  const document = { descriptor, bytes, documents, blobs };
  known.set(descriptor.digest, document);
  return document;
}

function parseDocument(
  content: ArchiveContent,
  { digest, mediaType }: Descriptor,
  bytes: Uint8Array,
): ManifestDocument {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ArchiveError(
      content.name,
      "damaged",
      `${digest} is invalid: ${describeError(error)}`,
      {
        cause: error,
      },
    );
  }
}

/** Windows layers may be elsewhere, and then are not in the archive. */
function isForeign(content: ArchiveContent, { digest, urls = [] }: Descriptor): boolean {
  return urls.length > 0 && content.sizeOf(digest) === undefined;
}

function sizeError(content: ArchiveContent, { digest, size }: Descriptor): ArchiveError {
  const found = content.sizeOf(digest);
  if (found === undefined) return content.missing(digest);
  return new ArchiveError(
    content.name,
    "damaged",
    `${digest} has ${found} bytes in place of ${size}`,
  );
}
