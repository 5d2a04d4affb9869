import { credentialKeys } from "../../registry/credentials/credential_key.ts";
import {
  credentialPaths,
  CREDENTIALS_VARIABLE,
  variablePosition,
} from "../../registry/credentials/credential_paths.ts";
import {
  type CredentialFileSummary,
  summarizeCredentials,
  summarizeVariable,
} from "../../registry/credentials/credential_summary.ts";
import { readGrantedEnvironment } from "../../spec/granted.ts";
import type { LoginPlace } from "./login_place.ts";

/** Summarizes the credential files and the variable with credentials, in order of precedence. */
export async function summarizePlaces(): Promise<readonly CredentialFileSummary[]> {
  const paths = credentialPaths(readGrantedEnvironment);
  const summaries = await Promise.all(paths.map(summarizeCredentials));
  const text = readGrantedEnvironment(CREDENTIALS_VARIABLE);
  if (!text) return summaries;
  const variable = summarizeVariable(CREDENTIALS_VARIABLE, text);
  return summaries.toSpliced(variablePosition(readGrantedEnvironment), 0, variable);
}

/**
 * Returns the credential files, and `$` with the name of the variable, that have a credential for a
 * registry, or for any; in order of precedence. Runs no helpers.
 *
 * @param before Path of a file; only places that precede it are returned.
 */
export async function placesWithCredential(
  place: LoginPlace | undefined,
  before?: string,
): Promise<readonly string[]> {
  const all = await summarizePlaces();
  const end = all.findIndex(({ path }) => path === before);
  const summaries = before === undefined ? all : all.slice(0, Math.max(end, 0));
  const keys = place && credentialKeys({ registry: place.registry, repository: place.namespace });
  return summaries
    .filter(({ registries }) => registries.some((key) => keys === undefined || keys.includes(key)))
    .map(({ path }) => path);
}
