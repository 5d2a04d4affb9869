import type { ImagePullAuth } from "../image_client.ts";
import { loginOf } from "../credentials.ts";
import { compareCredentialKeys, normalizeCredentialKey } from "./credential_key.ts";

/** What a credential file of docker or podman says. */
export interface CredentialFile {
  readonly path: string;
  /** Credentials by normalized key. */
  readonly auths: ReadonlyMap<string, ImagePullAuth>;
  /** Names of helpers by normalized key. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Name of the helper for every other registry. */
  readonly store: string | undefined;
}

/** Parses a credential file; what is not understood in it counts as absent. */
export function parseCredentialFile(path: string, text: string): CredentialFile {
  const root = object(JSON.parse(text));
  const auths = new Map<string, ImagePullAuth>();
  for (const [key, value] of entriesByKey(root.auths)) {
    const auth = parseEntry(object(value));
    if (auth !== undefined) auths.set(normalizeCredentialKey(key), auth);
  }
  const helpers = new Map<string, string>();
  for (const [key, value] of entriesByKey(root.credHelpers)) {
    if (typeof value === "string" && value !== "") helpers.set(normalizeCredentialKey(key), value);
  }
  const store = string(root.credsStore);
  return { path, auths, helpers, store };
}

/** Of several keys for the same, the last one that is taken is the one that counts. */
function entriesByKey(value: unknown): readonly [key: string, value: unknown][] {
  return Object.entries(object(value)).sort(([a], [b]) => compareCredentialKeys(a, b));
}

/** An entry may be empty: docker writes `{}` for what a helper keeps. */
function parseEntry(entry: Record<string, unknown>): ImagePullAuth | undefined {
  const registryToken = string(entry.registrytoken);
  if (registryToken !== undefined) return { registryToken };
  const identityToken = string(entry.identitytoken);
  const username = string(entry.username);
  const password = string(entry.password);
  const auth = string(entry.auth);
  const login = loginOf({
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(auth === undefined ? {} : { auth }),
  });
  if (identityToken !== undefined) return { ...login, identityToken };
  return login && { ...login };
}

function object(value: unknown): Record<string, unknown> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? value as Record<string, unknown> : {};
}

function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
