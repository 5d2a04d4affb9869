import type { Digest } from "../digest.ts";
import { present } from "../json.ts";
import { bareDescriptor, type Descriptor } from "./descriptor.ts";
import type { ManifestDocument } from "./manifest.ts";

/**
 * Returns the descriptor of a manifest or index in a list of referrers. It repeats the document's
 * annotations and artifact type, which defaults to the media type of the config.
 *
 * See {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers | Listing Referrers}.
 */
export function referrerDescriptor(
  descriptor: Descriptor,
  document: ManifestDocument,
): Descriptor {
  const { annotations } = document.value;
  const artifactType = artifactTypeOf(document);
  return { ...bareDescriptor(descriptor), ...present({ artifactType, annotations }) };
}

/** Returns the artifact type of a document: by default, the media type of its config. */
export function artifactTypeOf({ kind, value }: ManifestDocument): string | undefined {
  // An empty type counts as absent.
  return value.artifactType || (kind === "manifest" ? value.config.mediaType : undefined);
}

/**
 * Returns the tag `ALGORITHM-HASH` under which registries without the referrers API list the
 * referrers of a digest (distribution-spec, "referrers tag schema").
 */
export function referrersTag(digest: Digest): string {
  const colon = digest.indexOf(":");
  const parts = [digest.slice(0, colon).slice(0, 32), digest.slice(colon + 1).slice(0, 64)];
  return parts.join("-").replaceAll(/[^A-Za-z0-9._-]/g, "-");
}
