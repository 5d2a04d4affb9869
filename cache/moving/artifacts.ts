import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import type { ArtifactFile } from "../../store/artifacts/artifact_content.ts";
import type {
  CopiedImage,
  PullArtifactOptions,
  PulledArtifact,
  PushArtifactOptions,
} from "./moving_options.ts";

/**
 * Pushes files as an OCI artifact, in the form of the image specification's guidelines, which oras
 * and others read.
 *
 * @param target Target location, such as `ghcr.io/owner/sbom:1` or `oci:./layout:sbom`.
 * @param files Files to pack.
 * @param options Type, annotations, subject, credentials and callbacks.
 * @returns The pushed artifact.
 * @throws {SyntaxError} If a location or a media type is invalid.
 * @throws {ArtifactFileError} If a file cannot be packed.
 * @throws {RegistryError} If a registry refuses a request.
 * @throws {NetworkError} If a registry does not respond.
 *
 * @example Attach an SBOM to an image
 * ```ts
 * import { copy, pushArtifact } from "@x/oci";
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await copy("alpine:3.20", "localhost:5000/app:v1");
 * const mediaType = "application/spdx+json";
 *
 * await pushArtifact("localhost:5000/app:v1-sbom", [{ path: "./sbom.json", mediaType }], {
 *   artifactType: mediaType,
 *   subject: "localhost:5000/app:v1",
 * });
 *
 * using client = new RemoteClient();
 * const [sbom] = await client.referrers(parseReference("localhost:5000/app:v1"));
 * assertEquals(sbom?.artifactType, mediaType);
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

/**
 * Pulls anything with a manifest into the store unless it is already there: a Helm chart, a model,
 * an SBOM, or an image with all of its platforms.
 *
 * @param reference Reference, such as `ghcr.io/owner/chart:1` or `oci:./layout:v1`.
 * @param options Store, policy, credentials and callbacks.
 * @returns The pulled artifact.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {NotCachedError} If the policy is `Never` and the artifact is not in the store.
 * @throws {StoreError} If a layout does not exist, or does not have the artifact.
 * @throws {ArchiveError} If an archive does not exist, is damaged, or does not have the artifact.
 * @throws {DigestMismatchError} If content does not match its digest.
 * @throws {SignatureError} If the artifact lacks a signature that `verify` requires.
 * @throws {RegistryError} If the registry refuses the request.
 * @throws {NetworkError} If the registry does not respond.
 *
 * @example Pull an artifact and write its files
 * ```ts
 * import { pullArtifact, pushArtifact } from "@x/oci";
 * import { ContentStore, writeArtifact } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * await pushArtifact("localhost:5000/notes:v1", [{ path: "./sbom.json" }]);
 *
 * const { document } = await pullArtifact("localhost:5000/notes:v1", { store: "./store" });
 * assert(document.value.kind === "manifest");
 * const store = await ContentStore.open("./store");
 * await writeArtifact(store, document.value.value, "./files");
 *
 * assert((await Deno.stat("./files/sbom.json")).isFile);
 * ```
 */
export async function pullArtifact(
  reference: Reference | ImageLocation | string,
  options: PullArtifactOptions = {},
): Promise<PulledArtifact> {
  const { pullDocument } = await import("./pull_document.ts");
  return await pullDocument(reference, options);
}
