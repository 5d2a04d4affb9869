import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { ContentRecord } from "./_content_record.ts";

/** Lookups that {@linkcode ServedContent} uses. */
export interface ServedContentLookups {
  /** Returns whether the store has content under a name of the upstream repository. */
  readonly isStored: (repository: string, digest: Digest) => Promise<boolean>;
  /** Asks the upstream registry for a blob. */
  readonly findBlob: (repository: string, digest: Digest) => Promise<Descriptor | undefined>;
}

/**
 * Records which content the upstream registry of a proxy serves. A proxy must not serve content that
 * upstream documents reference but only the store has, from another registry.
 */
export class ServedContent {
  readonly #lookups: ServedContentLookups;
  readonly #served = new ContentRecord();
  /** Content that upstream documents reference, but that upstream did not serve on request. */
  readonly #absent = new ContentRecord();

  /** Creates an empty record. */
  constructor(lookups: ServedContentLookups) {
    this.#lookups = lookups;
  }

  /** Remembers content that the upstream registry serves. */
  add(repository: string, descriptor: Descriptor): void {
    this.#served.add(repository, descriptor);
  }

  /** Returns whether the upstream registry serves content, or the store has it under its name. */
  async has(repository: string, { digest }: Descriptor): Promise<boolean> {
    return this.#served.get(repository, digest) !== undefined ||
      await this.#lookups.isStored(repository, digest);
  }

  /**
   * Checks that the upstream registry serves a blob.
   *
   * @throws {Deno.errors.NotFound} If it does not have the blob.
   */
  async confirm(repository: string, descriptor: Descriptor): Promise<void> {
    if (await this.has(repository, descriptor)) return;
    const { digest } = descriptor;
    if (await this.#lookups.findBlob(repository, digest) === undefined) {
      throw new Deno.errors.NotFound(`Cannot open ${digest}: "${repository}" does not have it`);
    }
    this.add(repository, descriptor);
  }

  /**
   * Returns whether an image with this content may be named in the store. Clients request all
   * documents of an image, but not the blobs that they have, so this requests those from upstream
   * once.
   */
  async mayName(repository: string, descriptor: Descriptor): Promise<boolean> {
    const { mediaType, digest } = descriptor;
    const isAbsent = this.#absent.get(repository, digest) !== undefined;
    if (isDocumentMediaType(mediaType) || isAbsent) return await this.has(repository, descriptor);
    try {
      await this.confirm(repository, descriptor);
      return true;
    } catch (error) {
      // A client that requests the blob receives the error. After a failure of the network, the next
      // request for the image looks again.
      if (error instanceof Deno.errors.NotFound) this.#absent.add(repository, descriptor);
      return false;
    }
  }
}
