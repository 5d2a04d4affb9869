import { formatReference, type Reference } from "../registry/reference.ts";
import { OciError } from "../spec/errors.ts";

/**
 * Thrown when an image is missing or incomplete in the cache and the pull policy forbids fetching
 * it.
 *
 * @example Use an image only if it has been pulled
 * ```ts
 * import { NotCachedError, pull } from "@x/oci";
 * import { assertRejects } from "@std/assert";
 *
 * await assertRejects(
 *   () => pull("alpine:3.20", { store: "./store", pullPolicy: "Never" }),
 *   NotCachedError,
 * );
 * ```
 */
export class NotCachedError extends OciError {
  /** The reference of the image, in full. */
  readonly reference: string;
  /** Digest recorded for the reference, if the image is incomplete. */
  readonly digest: string | undefined;

  /** Creates the error for a reference and the digest recorded for it. */
  constructor(reference: Reference, digest?: string) {
    const name = formatReference(reference);
    const state = digest === undefined
      ? "it is not in the store"
      : `parts of ${digest} are missing from the store`;
    super(state, {
      code: "not-cached",
      action: `use "${name}" with the pull policy Never`,
      subject: name,
      advice: "Pull it with the policy IfNotPresent",
      option: "pullPolicy",
    });
    this.reference = name;
    this.digest = digest;
  }
}
