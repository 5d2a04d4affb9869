import type { ContentRange, RegistryContent } from "../../registry/mod.ts";
import { present } from "../../spec/json.ts";
import {
  type Descriptor,
  type Digest,
  isDigest,
  isIndexMediaType,
  isManifestMediaType,
} from "../../spec/mod.ts";
import type { Built, BuiltBlob } from "./image.ts";

const CHUNK = 64 * 1024;

interface Repository {
  readonly tags: Map<string, Descriptor>;
  readonly manifests: Map<Digest, Descriptor>;
  readonly blobs: Map<Digest, Uint8Array<ArrayBuffer>>;
}

/** Images in memory, for a registry to serve. */
export class MemoryContent implements RegistryContent {
  readonly #repositories = new Map<string, Repository>();

  /** Adds an image, an index or an artifact with all that it leads to; without a tag by digest. */
  add(repository: string, tag: string | undefined, built: Built): this {
    for (const { descriptor, bytes } of built.blobs.values()) {
      const { manifests } = this.#repository(repository);
      this.addBlob(repository, { descriptor, bytes });
      const { mediaType, digest } = descriptor;
      if (isIndexMediaType(mediaType) || isManifestMediaType(mediaType)) {
        manifests.set(digest, descriptor);
      }
    }
    const { tags, manifests } = this.#repository(repository);
    manifests.set(built.descriptor.digest, built.descriptor);
    if (tag !== undefined) tags.set(tag, built.descriptor);
    return this;
  }

  /** Adds a blob, under the digest that its descriptor claims. */
  addBlob(repository: string, { descriptor, bytes }: BuiltBlob): this {
    this.#repository(repository).blobs.set(descriptor.digest, bytes);
    return this;
  }

  /** Forgets a tag, a manifest or a blob. */
  delete(repository: string, tagOrDigest: string): this {
    const { tags, manifests, blobs } = this.#repository(repository);
    tags.delete(tagOrDigest);
    if (isDigest(tagOrDigest)) {
      manifests.delete(tagOrDigest);
      blobs.delete(tagOrDigest);
    }
    return this;
  }

  repositories(): Promise<readonly string[]> {
    return Promise.resolve([...this.#repositories.keys()].sort());
  }

  tags(repository: string): Promise<readonly string[]> {
    return Promise.resolve([...this.#repositories.get(repository)?.tags.keys() ?? []].sort());
  }

  resolve(repository: string, tagOrDigest: string): Promise<Descriptor | undefined> {
    const found = this.#repositories.get(repository);
    return Promise.resolve(
      isDigest(tagOrDigest) ? found?.manifests.get(tagOrDigest) : found?.tags.get(tagOrDigest),
    );
  }

  size(repository: string, digest: Digest): Promise<number | undefined> {
    return Promise.resolve(this.#repositories.get(repository)?.blobs.get(digest)?.length);
  }

  open(
    repository: string,
    digest: Digest,
    range?: ContentRange,
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const bytes = this.#repositories.get(repository)?.blobs.get(digest);
    if (bytes === undefined) {
      return Promise.reject(new Deno.errors.NotFound(`Cannot open ${digest}: it is not there`));
    }
    const { offset = 0, length = bytes.length } = range ?? {};
    return Promise.resolve(chunked(bytes.subarray(offset, offset + length)));
  }

  referrers(repository: string, digest: Digest): Promise<readonly Descriptor[]> {
    const found = this.#repositories.get(repository);
    const referrers = [...found?.manifests.values() ?? []].flatMap((descriptor) => {
      const json = readJson(found?.blobs.get(descriptor.digest));
      if (json?.subject?.digest !== digest) return [];
      // The artifact type of a manifest that names none is its config's media type.
      const artifactType = json.artifactType ?? json.config?.mediaType;
      const { annotations } = json;
      return [{
        ...descriptor,
        ...present({ artifactType, annotations }),
      }];
    });
    return Promise.resolve(referrers);
  }

  #repository(name: string): Repository {
    const found = this.#repositories.get(name) ??
      { tags: new Map(), manifests: new Map(), blobs: new Map() };
    this.#repositories.set(name, found);
    return found;
  }
}

interface LooseManifest {
  readonly subject?: Descriptor;
  readonly artifactType?: string;
  readonly config?: Descriptor;
  readonly annotations?: Readonly<Record<string, string>>;
}

function readJson(bytes: Uint8Array | undefined): LooseManifest | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as LooseManifest;
  } catch {
    // A deliberately invalid manifest refers to nothing.
    return undefined;
  }
}

/** A stream of copies, so that a reader that transfers its chunks leaves the original alone. */
export function chunked(
  bytes: Uint8Array,
  size: number = CHUNK,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}
