import { normalizeCredentialKey } from "../../registry/credentials/credential_key.ts";
import { parseReference } from "../../registry/reference.ts";
import { UsageError } from "../frame/errors.ts";

/** Scope of a credential. */
export interface LoginPlace {
  /** Key of the credential: a registry, or a namespace in it such as `quay.io/team`. */
  readonly key: string;
  /** Registry in the form of references. */
  readonly registry: string;
  /** Prefix of the repositories; empty for all. */
  readonly namespace: string;
}

/**
 * Parses the registry of a login or logout: `HOST[:PORT][/NAMESPACE]`, or the URL of the registry.
 *
 * @throws {UsageError} If the text is not a registry.
 */
export function readLoginPlace(text: string): LoginPlace {
  const key = normalizeCredentialKey(text.replace(/(?<=[^/])\/+$/, ""));
  const [registry = "", ...path] = key.split("/");
  const namespace = path.join("/");
  try {
    // A name without a dot or a port would be parsed as part of the repository.
    const found = parseReference(`${registry}${namespace === "" ? "" : `/${namespace}`}/app`);
    if (found.registry === registry && found.digest === undefined) {
      return { key, registry, namespace };
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new UsageError(
    `"${text}" is not a registry`,
    "Specify a host, such as ghcr.io or localhost:5000",
  );
}
