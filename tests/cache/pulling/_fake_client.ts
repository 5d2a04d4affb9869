import type { ImageClientOptions, Reference } from "../../../registry/mod.ts";
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  type ImageDocument,
  type Index,
  type Manifest,
  parseImageConfig,
  parseManifest,
  parsePlatform,
  type RemoteImage,
} from "../../../spec/mod.ts";
import type { Built } from "../../_support/image.ts";
import { chunked } from "../../_support/memory_content.ts";

/** A client with images in memory that records its requests. */
export class FakeClient {
  /** Such as `resolve`, `image`, `layer sha256:…`. */
  readonly calls: string[] = [];
  /** Error that the next calls throw. */
  failure: Error | undefined;
  /** Error that reads of layers throw. */
  layerFailure: Error | undefined;
  #built: Built;

  constructor(built: Built) {
    this.#built = built;
  }

  /** Makes every reference resolve to another image. */
  serve(built: Built): void {
    this.#built = built;
  }

  resolve(_reference: Reference, _options?: ImageClientOptions): Promise<Descriptor> {
    this.calls.push("resolve");
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(this.#built.descriptor);
  }

  image(_reference: Reference, options: ImageClientOptions = {}): Promise<RemoteImage> {
    this.calls.push("image");
    if (this.failure !== undefined) return Promise.reject(this.failure);
    return Promise.resolve(this.#image(options));
  }

  #image({ platform = "linux/amd64" }: ImageClientOptions): RemoteImage {
    const wanted = typeof platform === "string" ? parsePlatform(platform) : platform;
    const indexes: ImageDocument<Index>[] = [];
    let { descriptor } = this.#built;
    for (;;) {
      const bytes = this.#blob(descriptor.digest);
      const document = parseManifest(bytes, descriptor.mediaType);
      if (document.kind === "manifest") {
        return this.#manifest({ descriptor, bytes, value: document.value }, indexes);
      }
      indexes.push({ descriptor, bytes, value: document.value });
      descriptor = choosePlatform(document.value, wanted);
    }
  }

  #manifest(
    manifest: ImageDocument<Manifest>,
    indexes: readonly ImageDocument<Index>[],
  ): RemoteImage {
    const { config, layers } = manifest.value;
    const bytes = this.#blob(config.digest);
    const value = parseImageConfig(bytes);
    return {
      digest: this.#built.descriptor.digest,
      indexes,
      manifest,
      config: { descriptor: config, bytes, value },
      platform: value.platform,
      layers: layers.map((layer, i) => ({
        descriptor: layer,
        diffId: value.diffIds[i] ?? layer.digest,
        compressed: ({ offset = 0 } = {}) => {
          this.calls.push(`layer ${layer.digest}`);
          if (this.layerFailure !== undefined) return Promise.reject(this.layerFailure);
          return Promise.resolve(chunked(this.#blob(layer.digest).subarray(offset)));
        },
      })),
    };
  }

  #blob(digest: Digest): Uint8Array<ArrayBuffer> {
    const blob = this.#built.blobs.get(digest);
    if (blob === undefined) throw new Deno.errors.NotFound(`Cannot find ${digest}`);
    return blob.bytes;
  }
}
