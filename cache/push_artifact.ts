import type { ImageLocation } from "../registry/image_location.ts";
import type { Reference } from "../registry/reference.ts";
import type { ArtifactFile } from "../store/artifacts/artifact_content.ts";
import type { PushArtifactOptions } from "./artifact_options.ts";
import type { CopiedImage } from "./copy_options.ts";

export type { PushArtifactOptions };

/**
 * Pushes files as an OCI artifact, in the form of the image specification's guidelines, which oras
 * and others read.
 *
 * @param target Target location, such as `ghcr.io/owner/sbom:1` or `oci:./layout:sbom`.
 * @param files Files to pack.
 * @param options Type, annotations, subject, credentials and callbacks.
 * @returns The pushed artifact.
 * @throws {SyntaxError} If a location is invalid.
 * @throws {ArtifactFileError} If a file cannot be packed.
 * @throws {RegistryError} If a registry refuses a request.
 *
 * @example Attach an SBOM to an image
 * ```ts no-assert
 * import { pushArtifact } from "@x/oci";
 *
 * async function attach(image: string): Promise<string> {
 *   const { descriptor } = await pushArtifact(`${image}-sbom`, [
 *     { path: "sbom.json", mediaType: "application/spdx+json" },
 *   ], { artifactType: "application/spdx+json", subject: image });
 *   return descriptor.digest;
 * }
 * ```
 */
export async function pushArtifact(
  target: Reference | ImageLocation | string,
  files: readonly ArtifactFile[],
  options: PushArtifactOptions = {},
): Promise<CopiedImage> {
  const { packAndPush } = await import("./_push_artifact.ts");
  return await packAndPush(target, files, options);
}
