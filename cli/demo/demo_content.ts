import type { ContentRange, RegistryContent } from "../../registry/registry_content.ts";
import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { DemoImage } from "./demo_image.ts";

/** One image in memory, under one name, for the embedded registry to serve. */
export class DemoContent implements RegistryContent {
  readonly #image: DemoImage;
  readonly #repository: string;
  readonly #tag: string;

  constructor(image: DemoImage, repository: string, tag: string) {
    this.#image = image;
    this.#repository = repository;
    this.#tag = tag;
  }

  repositories(): Promise<readonly string[]> {
    return Promise.resolve([this.#repository]);
  }

  tags(repository: string): Promise<readonly string[]> {
    return Promise.resolve(repository === this.#repository ? [this.#tag] : []);
  }

  resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const { descriptor, manifests } = this.#image;
    if (repository !== this.#repository) return Promise.resolve(undefined);
    if (tagOrDigest === this.#tag) return Promise.resolve(descriptor);
    return Promise.resolve(manifests.find(({ digest }) => digest === tagOrDigest));
  }

  size(repository: string, digest: Digest): Promise<number | undefined> {
    return Promise.resolve(this.#blob(repository, digest)?.length);
  }

  open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const blob = this.#blob(repository, digest);
    if (blob === undefined) {
      return Promise.reject(new Deno.errors.NotFound(`Cannot open ${digest}: it is not there`));
    }
    const { offset, length } = range ?? { offset: 0, length: blob.length };
    return Promise.resolve(new Blob([blob.subarray(offset, offset + length)]).stream());
  }

  referrers(): Promise<readonly Descriptor[]> {
    return Promise.resolve([]);
  }

  #blob(repository: string, digest: Digest): Uint8Array<ArrayBuffer> | undefined {
    return repository === this.#repository ? this.#image.blobs.get(digest) : undefined;
  }
}
