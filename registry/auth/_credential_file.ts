import type { ImagePullAuth } from "../image_client.ts";
import { loginOf } from "../credentials.ts";
import { compareCredentialKeys, normalizeCredentialKey } from "./credential_key.ts";

/** The content of a credential file of docker or podman. */
export interface CredentialFile {
  readonly path: string;
  /** Credentials by normalized key. */
  readonly auths: ReadonlyMap<string, ImagePullAuth>;
  /** Names of helpers by normalized key. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Name of the helper for every other registry. */
  readonly store: string | undefined;
}

/** Parses a credential file; ignores whatever it does not understand. */
export function parseCredentialFile(path: string, text: string): CredentialFile {
  const root = namedMembers(JSON.parse(text));
  const auths = new Map<string, ImagePullAuth>();
  for (const [key, value] of entriesByKey(root.get("auths"))) {
    const auth = parseEntry(value);
    if (auth !== undefined) auths.set(normalizeCredentialKey(key), auth);
  }
  const helpers = new Map<string, string>();
  for (const [key, value] of entriesByKey(root.get("credhelpers"))) {
    if (typeof value === "string" && value !== "") helpers.set(normalizeCredentialKey(key), value);
  }
  const store = string(root.get("credsstore"));
  return { path, auths, helpers, store };
}

/**
 * The name of a field in lower case. Docker and podman find fields in any case, as Go's JSON
 * decoder does, which also folds the long s; keys of registries are exact.
 */
export function foldName(name: string): string {
  return name.replaceAll("\u017f", "s").toLowerCase();
}

/** Members of an object by their folded names. An object that stands twice is merged. */
function namedMembers(value: unknown): ReadonlyMap<string, unknown> {
  const members = new Map<string, unknown>();
  for (const [name, member] of Object.entries(object(value))) {
    const folded = foldName(name);
    const known = members.get(folded);
    const isObject = typeof member === "object" && typeof known === "object";
    members.set(folded, isObject ? { ...object(known), ...object(member) } : member);
  }
  return members;
}

/** Entries in the order in which they override each other: the last one for a registry counts. */
function entriesByKey(value: unknown): readonly [key: string, value: unknown][] {
  return Object.entries(object(value)).sort(([a], [b]) => compareCredentialKeys(a, b));
}

/** An entry may be empty: docker writes `{}` for what a helper keeps. */
function parseEntry(value: unknown): ImagePullAuth | undefined {
  const entry = namedMembers(value);
  const registryToken = string(entry.get("registrytoken"));
  if (registryToken !== undefined) return { registryToken };
  const identityToken = string(entry.get("identitytoken"));
  const username = string(entry.get("username"));
  const password = string(entry.get("password"));
  const auth = string(entry.get("auth"));
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
