import { explainedError } from "../../spec/error_facts.ts";
import { normalizeCredentialKey } from "../credentials/credential_key.ts";

/**
 * Returns the addresses of a registry's mirrors, under whichever of its names they are listed.
 *
 * @throws {TypeError} If a key of the mirrors is not a registry.
 */
export function mirrorAddresses(
  registry: string,
  mirrors: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  const wanted = normalizeCredentialKey(registry);
  return Object.entries(mirrors).flatMap(([name, addresses]) => {
    const host = normalizeCredentialKey(name);
    if (host.includes("/")) {
      throw explainedError(TypeError, {
        code: "invalid-argument",
        action: `use a mirror for "${name}"`,
        subject: name,
        problem: `it must be a registry, such as "${host.split("/")[0]}"`,
      });
    }
    return host === wanted ? addresses : [];
  });
}
