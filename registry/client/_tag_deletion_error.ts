import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import { RegistryError } from "../errors.ts";
import { describeResponse } from "../transport/registry_error.ts";

/** Statuses of registries that delete manifests by digest only, or nothing. */
const NO_TAG_DELETE = new Set([400, 405, 501]);

/** A digest that no manifest has. */
const NO_DIGEST = `sha256:${"0".repeat(64)}`;

/**
 * Returns the error for a tag that could not be deleted. Its advice is to delete the manifest if the
 * registry deletes manifests: that may have other tags, so it is not deleted instead of the tag.
 *
 * @param request The request to delete the tag.
 * @param error The error of that request.
 */
export async function tagDeletionError(
  registry: Registry,
  request: ApiRequest,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof RegistryError && NO_TAG_DELETE.has(error.status))) return error;
  // Where deletion is disabled, a registry refuses even a digest that no manifest has.
  const probe = { ...request, path: `manifests/${NO_DIGEST}`, accept: [404, 405] };
  const deletesNothing = await registry.call(probe, ({ status }) => status === 405)
    .catch(() => false);
  request.signal?.throwIfAborted();
  if (deletesNothing) return error;
  return new RegistryError(
    `${registry.endpoint.registry} cannot delete tags (${describeResponse(error)})`,
    {
      ...error,
      code: "tag-deletion",
      advice: "Delete the manifest by its digest, which deletes all of its tags",
    },
    { cause: error },
  );
}
