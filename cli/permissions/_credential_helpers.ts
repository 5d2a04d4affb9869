import { normalizeCredentialKey } from "../../registry/auth/credential_key.ts";
import { summarizeCredentials } from "../../registry/auth/credential_summary.ts";

/**
 * Reads the programs of the helpers that credential files name. Ignores files that are missing,
 * invalid or unreadable; a pull reports them.
 *
 * @param paths The files.
 * @param registry The registry that the helpers are for; by default, any.
 */
export async function credentialHelpers(
  paths: readonly string[],
  registry?: string,
): Promise<readonly string[]> {
  const files = await Promise.all(paths.map(summarizeCredentials));
  const isFor = (key: string | undefined) => {
    return registry === undefined || key === undefined || hostOf(key) === hostOf(registry);
  };
  const programs = files.flatMap(({ helpers }) => helpers)
    .filter((helper) => isFor(helper.registry))
    .map(({ program }) => program);
  return [...new Set(programs)];
}

function hostOf(key: string): string {
  const [host = ""] = normalizeCredentialKey(key).split("/");
  return host;
}
