import { type Digest, digestOf } from "../../../spec/mod.ts";
import { buildArtifact, buildImage, type Built, type BuiltImage } from "../../_support/image.ts";
import { noise } from "../../_support/tar.ts";
import type { TestRegistry } from "./_pushing.ts";

/** A request, and the response that the specification requires. */
export interface SpecifiedRequest {
  /** Number in the specification's table of endpoints. */
  readonly end: string;
  readonly method: string;
  /** Below `/v2`; `UPLOAD` is an upload of 100 bytes that has begun. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly status: number;
  /** Code in the body. */
  readonly code?: string;
  /** Headers of the answer; `UPLOAD` as in {@linkcode path}. */
  readonly has?: Readonly<Record<string, string>>;
  /** A following request, and its status. */
  readonly then?: readonly [method: string, path: string, status: number];
}

/** The image that the registry has as `a:v1`. */
export const image: BuiltImage = buildImage({ layers: [noise(2_000)], compression: "none" });
/** The digest of its layer. */
export const layer: Digest = image.layers[0]?.descriptor.digest ?? "sha256:";
/** The digest of its config. */
export const config: Digest = image.config.descriptor.digest;
/** A document that refers to the image. */
export const sbom: Built = buildArtifact({
  artifactType: "application/spdx+json",
  subject: image.descriptor,
});
/** An image that the registry does not have. */
export const absentImage: BuiltImage = buildImage({ layers: [noise(2_000, 2)] });
/** A document that refers to it. */
export const orphan: Built = buildArtifact({
  artifactType: "application/x",
  subject: absentImage.descriptor,
});
/** A blob to upload. */
export const blob: Uint8Array<ArrayBuffer> = noise(1_000, 3);
/** The digest of content that the registry does not have. */
export const absent: Digest = digestOf(new Uint8Array([1]));

const other = buildImage({ layers: [noise(2_000, 1)] });

/** Pushes the image and its document, and the blobs of other documents. */
export async function fill(registry: TestRegistry): Promise<void> {
  await registry.push("a", "v1", image);
  await registry.push("a", sbom.descriptor.digest, sbom);
  await registry.pushBlob("a", other.config);
  for (const blob of orphan.blobs.values()) {
    if (blob.descriptor.digest !== orphan.descriptor.digest) await registry.pushBlob("a", blob);
  }
}
