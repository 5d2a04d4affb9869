import { BoundedMap } from "../../registry/transport/bounded_map.ts";
import type { Digest } from "../../spec/digest.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { referrerDescriptor } from "../../spec/image/referrers.ts";
import type { DocumentReader } from "./_document_reader.ts";

/** Maximum number of documents whose links are remembered. */
const MAX_DOCUMENTS = 131_072;
/** Maximum size of a remembered referrer as JSON: annotations may have megabytes. */
const MAX_REFERRER_LENGTH = 4096;
/** Number of remembered characters of an artifact type: more than media types have. */
const TYPE_LENGTH = 256;
const BLOB = "application/octet-stream";

/** What a document refers to. */
export interface Links {
  /** Contents of the document, without annotations. The type of a blob is generic. */
  readonly children: readonly Descriptor[];
  /** Digest of its subject. */
  readonly subject?: Digest | undefined;
  /** First characters of its artifact type, if it has a subject. */
  readonly artifactType?: string | undefined;
  /** Its descriptor in a list of referrers, if it has a subject and the descriptor is small. */
  readonly referrer?: Descriptor | undefined;
}

/**
 * Reads the links of documents, and remembers them. They are far smaller than the documents, so
 * that even those of a large repository fit into memory.
 */
export class DocumentLinks {
  readonly #documents: DocumentReader;
  readonly #known = new BoundedMap<Digest, Links>(MAX_DOCUMENTS);

  constructor(documents: DocumentReader) {
    this.#documents = documents;
  }

  /** Returns the links of a document that has been read; `undefined` if they are unknown. */
  known({ digest }: Descriptor): Links | undefined {
    return this.#known.get(digest);
  }

  /** Returns the links of a document; `undefined` if it is missing or damaged. */
  async read(descriptor: Descriptor): Promise<Links | undefined> {
    const known = this.known(descriptor);
    if (known !== undefined) return known;
    const document = await this.#documents.read(descriptor);
    if (document === undefined) return undefined;
    const children = childrenOf(document).map(plainChild);
    const subject = document.value.subject?.digest;
    const referrer = subject && referrerDescriptor(descriptor, document);
    const links = {
      children,
      subject,
      artifactType: referrer?.artifactType && firstCharacters(referrer.artifactType),
      referrer: referrer && isSmall(referrer) ? referrer : undefined,
    };
    this.#known.set(descriptor.digest, links);
    return links;
  }

  /**
   * Returns the descriptor of a document in a list of referrers; `undefined` if the document is
   * missing or damaged, or has another artifact type than the given one.
   */
  async referrer(descriptor: Descriptor, artifactType?: string): Promise<Descriptor | undefined> {
    const links = await this.read(descriptor);
    if (links === undefined) return undefined;
    const isOther = artifactType !== undefined &&
      firstCharacters(artifactType) !== links.artifactType;
    if (isOther) return undefined;
    const found = links.referrer ?? await this.#readReferrer(descriptor);
    return artifactType === undefined || found?.artifactType === artifactType ? found : undefined;
  }

  async #readReferrer(descriptor: Descriptor): Promise<Descriptor | undefined> {
    const document = await this.#documents.read(descriptor);
    return document && referrerDescriptor(descriptor, document);
  }
}

function plainChild({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: isDocumentMediaType(mediaType) ? mediaType : BLOB, digest, size };
}

function firstCharacters(artifactType: string): string {
  return artifactType.slice(0, TYPE_LENGTH);
}

function isSmall(descriptor: Descriptor): boolean {
  return JSON.stringify(descriptor).length <= MAX_REFERRER_LENGTH;
}
