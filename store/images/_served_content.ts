import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { isDocumentMediaType } from "../../spec/image/media_types.ts";
import { PushedContent } from "./_pushed_content.ts";

/** Places that {@linkcode ServedContent} asks. */
export interface ServedContentPlaces {
  /** Returns whether the store has content under the name of the upstream repository. */
  readonly isStored: (repository: string, digest: Digest) => Promise<boolean>;
  /** Asks the upstream registry for a blob. */
  readonly findBlob: (repository: string, digest: Digest) => Promise<Descriptor | undefined>;
}

/**
 * Knows which content the upstream registry of a proxy serves. Its documents can name content that
 * only the store has, from another registry.
 */
export class ServedContent {
  readonly #places: ServedContentPlaces;
  readonly #served = new PushedContent();
  /** Content that the upstream registry names, but did not serve when the proxy asked for it. */
  readonly #absent = new PushedContent();

  /** Creates an object that knows no content yet. */
  constructor(places: ServedContentPlaces) {
    this.#places = places;
  }

  /** Remembers content that the upstream registry serves. */
  add(repository: string, { mediaType, digest, size }: Descriptor): void {
    this.#served.add(repository, { mediaType, digest, size });
  }

  /** Returns whether the upstream registry serves content, or the store has it under its name. */
  async has(repository: string, { digest }: Descriptor): Promise<boolean> {
    return this.#served.get(repository, digest) !== undefined ||
      await this.#places.isStored(repository, digest);
  }

  /**
   * Asks the upstream registry for a blob, unless it is known to serve it.
   *
   * @throws {Deno.errors.NotFound} If it does not have it.
   */
  async confirm(repository: string, descriptor: Descriptor): Promise<void> {
    if (await this.has(repository, descriptor)) return;
    const { digest } = descriptor;
    if (await this.#places.findBlob(repository, digest) === undefined) {
      throw new Deno.errors.NotFound(`Cannot open ${digest}: "${repository}" does not have it`);
    }
    this.add(repository, descriptor);
  }

  /**
   * Returns whether an image with this content may get its name in the store. Clients request all
   * documents of an image, but no blobs that they have, so those are asked for once.
   */
  async mayName(repository: string, descriptor: Descriptor): Promise<boolean> {
    const { mediaType, digest } = descriptor;
    if (isDocumentMediaType(mediaType)) return await this.has(repository, descriptor);
    if (this.#absent.get(repository, digest) !== undefined) {
      return await this.has(repository, descriptor);
    }
    try {
      await this.confirm(repository, descriptor);
      return true;
    } catch {
      // A client that requests the blob gets the failure.
      this.#absent.add(repository, descriptor);
      return false;
    }
  }
}
