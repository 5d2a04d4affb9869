import type { Descriptor } from "./descriptor.ts";
import type { ManifestDocument } from "./manifest.ts";

/**
 * Returns the descriptors of an index, or the config and the layers of a manifest; none if there is
 * no document.
 */
export function childrenOf(document: ManifestDocument | undefined): readonly Descriptor[] {
  if (document === undefined) return [];
  const { kind, value } = document;
  return kind === "index" ? value.manifests : [value.config, ...value.layers];
}
