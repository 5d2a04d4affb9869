import type { Digest } from "../../spec/digest.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ManifestDocument } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { artifactTypeOf, referrerDescriptor } from "../../spec/image/referrers.ts";
import { present } from "../../spec/json.ts";
import type { DocumentReader } from "./_document_reader.ts";
import { SizedCache } from "./_sized_cache.ts";

/** Approximate maximum size of the remembered links: those of about 150,000 images. */
const MAX_BYTES = 256 * 1024 * 1024;
/** Approximate size of an object with a digest. */
const LINK_BYTES = 160;
/** Maximum size of a remembered referrer as JSON: annotations may have megabytes. */
const MAX_REFERRER_LENGTH = 4096;
/** Maximum length of a remembered artifact type: more than media types have. */
const MAX_TYPE_LENGTH = 256;
const BLOB = "application/octet-stream";

/** What a document refers to. */
export interface Links {
  /** Contents of the document, without annotations. The type of a blob is generic. */
  readonly children: readonly Descriptor[];
  /** Digest of its subject. */
  readonly subject?: Digest | undefined;
  /** Its artifact type, if it is short. */
  readonly artifactType?: string | undefined;
  /** Its annotations and artifact type, if they are small. */
  readonly referrer?: Pick<Descriptor, "artifactType" | "annotations"> | undefined;
}

/** Reads the links of documents, and remembers them. They are usually far smaller than these. */
export class DocumentLinks {
  readonly #documents: DocumentReader;
  readonly #known: SizedCache<Digest, Links>;

  constructor(documents: DocumentReader, maxBytes: number = MAX_BYTES) {
    this.#documents = documents;
    this.#known = new SizedCache(maxBytes);
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
    const links: Links = { children, ...subject && { subject, ...referrerLinks(document) } };
    // The characters of annotations may have two bytes.
    const size = LINK_BYTES * (children.length + 2) + 2 * sizeOf(links.referrer);
    this.#known.add(descriptor.digest, links, size);
    return links;
  }

  /**
   * Returns the descriptor of a document in a list of referrers; `undefined` if the document is
   * missing or damaged, or has another artifact type than the given one.
   */
  async referrer(descriptor: Descriptor, artifactType?: string): Promise<Descriptor | undefined> {
    const links = await this.read(descriptor);
    const isWanted = (type: string | undefined) => {
      return artifactType === undefined || type === artifactType;
    };
    const type = links?.artifactType;
    if (links === undefined || (type !== undefined && !isWanted(type))) return undefined;
    const { mediaType, digest, size } = descriptor;
    const found = links.referrer === undefined
      ? await this.#readReferrer(descriptor)
      : { mediaType, digest, size, ...links.referrer };
    return isWanted(found?.artifactType) ? found : undefined;
  }

  async #readReferrer(descriptor: Descriptor): Promise<Descriptor | undefined> {
    const document = await this.#documents.read(descriptor);
    return document && referrerDescriptor(descriptor, document);
  }
}

function plainChild({ mediaType, digest, size }: Descriptor): Descriptor {
  return { mediaType: isDocumentMediaType(mediaType) ? mediaType : BLOB, digest, size };
}

function referrerLinks(document: ManifestDocument): Pick<Links, "artifactType" | "referrer"> {
  const { annotations } = document.value;
  const artifactType = artifactTypeOf(document);
  const referrer = present({ artifactType, annotations });
  return {
    artifactType: artifactType && artifactType.length <= MAX_TYPE_LENGTH ? artifactType : undefined,
    referrer: sizeOf(referrer) <= MAX_REFERRER_LENGTH ? referrer : undefined,
  };
}

function sizeOf(referrer: Links["referrer"]): number {
  return referrer === undefined ? 0 : JSON.stringify(referrer).length;
}
