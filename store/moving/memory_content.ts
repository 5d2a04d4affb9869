import type { Digest } from "../../spec/digest.ts";
import type {
  NamedSource,
  NamedTarget,
  OpenContent,
  PushContentOptions,
} from "../../spec/image/content.ts";
import { bareDescriptor, type Descriptor } from "../../spec/image/descriptor.ts";
import type { BlobReadOptions } from "../../spec/image/image.ts";
import { parseManifest } from "../../spec/image/manifest.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { openBytes, readBytes } from "../../spec/image/read_bytes.ts";
import { referrerDescriptor } from "../../spec/image/referrers.ts";

/**
 * Content in memory, for tests and for images that a program creates.
 *
 * @example Name a document
 * ```ts
 * import { MemoryContent } from "@x/oci/store";
 * import { digestOf, OCI_INDEX } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const text = JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [] });
 * const bytes = new TextEncoder().encode(text);
 * const descriptor = { mediaType: OCI_INDEX, digest: digestOf(bytes), size: bytes.length };
 * const content = new MemoryContent();
 *
 * await content.push(descriptor, () => Promise.resolve(new Blob([bytes]).stream()));
 * await content.tag("latest", descriptor);
 *
 * assertEquals(await content.resolve("latest"), descriptor);
 * ```
 */
export class MemoryContent implements NamedSource, NamedTarget {
  readonly #blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  /** Content that was stored as a document, and not only as a blob that another one lists. */
  readonly #documents = new Set<Digest>();
  readonly #names = new Map<string, Descriptor>();
  readonly #referrers = new Map<Digest, Descriptor[]>();

  /** Opens the bytes, which were verified when they were stored. */
  fetch(
    { digest }: Descriptor,
    options: BlobReadOptions = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const bytes = this.#blobs.get(digest);
    if (bytes !== undefined) return openBytes(bytes)(options);
    return Promise.reject(new Deno.errors.NotFound(`Cannot read ${digest}: it is not in memory`));
  }

  /** Returns whether it is stored; for a document, with what it references. */
  exists({ digest, mediaType }: Descriptor): Promise<boolean> {
    const known = isDocumentMediaType(mediaType) ? this.#documents : this.#blobs;
    return Promise.resolve(known.has(digest));
  }

  /** Stores a document or a blob once it is complete and verified. */
  async push(
    descriptor: Descriptor,
    open: OpenContent,
    options: PushContentOptions = {},
  ): Promise<void> {
    const { digest, mediaType, size } = descriptor;
    const bytes = await readBytes(descriptor, open, { ...options, maxBytes: Infinity });
    options.onBytes?.(size);
    if (isDocumentMediaType(mediaType)) {
      const document = parseManifest(bytes, mediaType);
      const { subject } = document.value;
      if (subject !== undefined && !this.#documents.has(digest)) {
        const others = this.#referrers.get(subject.digest) ?? [];
        this.#referrers.set(subject.digest, [...others, referrerDescriptor(descriptor, document)]);
      }
      this.#documents.add(digest);
    }
    this.#blobs.set(digest, bytes);
  }

  /** Lists the stored documents whose `subject` is this one. */
  referrers({ digest }: Descriptor): Promise<readonly Descriptor[]> {
    return Promise.resolve(this.#referrers.get(digest) ?? []);
  }

  /** Resolves a name. */
  resolve(name: string): Promise<Descriptor | undefined> {
    return Promise.resolve(this.#names.get(name));
  }

  /** Assigns a name to a document. */
  tag(name: string, descriptor: Descriptor): Promise<void> {
    this.#names.set(name, bareDescriptor(descriptor));
    return Promise.resolve();
  }
}
