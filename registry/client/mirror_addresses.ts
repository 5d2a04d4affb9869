import { normalizeCredentialKey } from "../auth/credential_key.ts";

/**
 * Returns the addresses of the mirrors of a registry under any of its names.
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
      throw new TypeError(
        `Cannot use a mirror for "${name}": it must be a registry, such as "${host.split("/")[0]}"`,
      );
    }
    return host === wanted ? addresses : [];
  });
}
