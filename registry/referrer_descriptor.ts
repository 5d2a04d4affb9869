import type { Descriptor } from "../spec/image/descriptor.ts";
import type { ManifestDocument } from "../spec/image/manifest.ts";
import { present } from "../spec/json.ts";

/**
 * Returns the descriptor of a manifest or index in a list of referrers. It repeats the document's
 * annotations and artifact type, which defaults to the media type of the config.
 *
 * See {@link https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-referrers | Listing Referrers}.
 */
export function referrerDescriptor(
  { mediaType, digest, size }: Descriptor,
  { kind, value }: ManifestDocument,
): Descriptor {
  const { annotations } = value;
  const implied = kind === "manifest" ? value.config.mediaType : undefined;
  // An empty type counts as absent.
  const artifactType = value.artifactType || implied;
  return {
    mediaType,
    digest,
    size,
    ...present({ artifactType, annotations }),
  };
}
