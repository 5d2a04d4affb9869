import { normalizeCredentialKey } from "../../registry/auth/credential_key.ts";
import { parseReference } from "../../registry/reference.ts";
import { UsageError } from "../frame/errors.ts";

/** What a credential is for. */
export interface LoginPlace {
  /** Name of the registry, or of a part of it, as in `quay.io/team`. */
  readonly key: string;
  /** The registry, as references name it. */
  readonly registry: string;
  /** Start of the repositories that it is for; empty if it is for all. */
  readonly namespace: string;
}

/**
 * Parses the registry that a login or a logout names: `HOST[:PORT][/NAMESPACE]`, or the address
 * of the registry as a URL.
 *
 * @throws {UsageError} If it is none.
 */
export function readLoginPlace(text: string): LoginPlace {
  const key = normalizeCredentialKey(text.replace(/(?<=[^/])\/+$/, ""));
  const [registry = "", ...path] = key.split("/");
  const namespace = path.join("/");
  try {
    // A name without a dot or a port would be that of a repository.
    const found = parseReference(`${registry}${namespace === "" ? "" : `/${namespace}`}/app`);
    if (found.registry === registry && found.digest === undefined) {
      return { key, registry, namespace };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError(
    `"${text}" is not a registry; give its host, such as ghcr.io or localhost:5000`,
  );
}
