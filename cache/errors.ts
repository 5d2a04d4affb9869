import { formatReference, type Reference } from "../registry/reference.ts";
import { OciError } from "../spec/errors.ts";

/** An image is not in the cache, or not all of it, and the pull policy forbids to fetch it. */
export class NotCachedError extends OciError {
  /** The reference of the image, in full. */
  readonly reference: string;
  /** The digest that is recorded for the reference, if there is one: then parts are missing. */
  readonly digest: string | undefined;

  /** Creates the error for a reference, and what is recorded for it. */
  constructor(reference: Reference, digest?: string) {
    const name = formatReference(reference);
    const state = digest === undefined
      ? "it is not in the store"
      : `parts of ${digest} are missing from the store`;
    super(
      `Cannot use "${name}" without a registry, as the pull policy is Never: ${state}; ` +
        "pull it with the policy IfNotPresent",
    );
    this.reference = name;
    this.digest = digest;
  }
}
