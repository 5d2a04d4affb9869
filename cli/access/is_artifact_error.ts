import { ArtifactError } from "../../registry/errors.ts";
import { PlatformError } from "../../spec/errors.ts";

/** Whether an error means that a document is not an image, but an artifact or an index of them. */
export function isArtifactError(error: unknown): boolean {
  return error instanceof ArtifactError ||
    (error instanceof PlatformError && error.available.length === 0);
}
