import { normalizeCredentialKey } from "../auth/credential_key.ts";

/**
 * The addresses of the mirrors of a registry, whichever of its names they are given under.
 *
 * @throws {TypeError} If mirrors are given for something else than a registry.
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
        `Cannot use a mirror for "${name}": it must be a registry, as "${host.split("/")[0]}" is`,
      );
    }
    return host === wanted ? addresses : [];
  });
}
