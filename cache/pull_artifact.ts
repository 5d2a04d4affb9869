import type { ImageLocation } from "../registry/image_location.ts";
import type { Reference } from "../registry/reference.ts";
import type { PullArtifactOptions, PulledArtifact } from "./artifact_options.ts";

export type { PullArtifactOptions, PulledArtifact };

/**
 * Pulls anything with a manifest into the store unless it is already there: a Helm chart, a model,
 * an SBOM, or an image with all of its platforms.
 *
 * @param reference Reference, such as `ghcr.io/owner/chart:1` or `oci:./layout:v1`.
 * @param options Store, policy, credentials and callbacks.
 * @returns The pulled artifact.
 * @throws {SyntaxError} If `reference` is invalid.
 * @throws {NotCachedError} If the policy is `Never` and the artifact is not in the store.
 * @throws {DigestMismatchError} If content does not match its digest.
 * @throws {RegistryError} If the registry refuses the request.
 *
 * @example Read the files of an artifact
 * ```ts no-assert
 * import { pullArtifact, storeDirectory } from "@x/oci";
 * import { ContentStore, writeArtifact } from "@x/oci/store";
 *
 * async function download(reference: string, directory: string): Promise<void> {
 *   const { document } = await pullArtifact(reference);
 *   if (document.value.kind !== "manifest") return;
 *   const store = await ContentStore.open(storeDirectory());
 *   await writeArtifact(store, document.value.value, directory);
 * }
 * ```
 */
export async function pullArtifact(
  reference: Reference | ImageLocation | string,
  options: PullArtifactOptions = {},
): Promise<PulledArtifact> {
  const { bringArtifact } = await import("./bring_artifact.ts");
  return await bringArtifact(reference, options);
}
