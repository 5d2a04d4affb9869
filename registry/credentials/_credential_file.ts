import { isGranted } from "../../spec/granted.ts";
import { foldName, isObject } from "../../spec/json.ts";
import { readProblem, readUserFile } from "../configuration/user_file.ts";
import { loginOf } from "../credentials.ts";
import { CredentialFileError } from "../errors.ts";
import type { ImagePullAuth } from "../image_client.ts";
import { compareCredentialKeys, normalizeCredentialKey } from "./credential_key.ts";

/** The content of a credential file of docker or podman. */
export interface CredentialFile {
  readonly path: string;
  /** The text: a JSON object, or white space. */
  readonly text: string;
  /** Credentials by normalized key. */
  readonly auths: ReadonlyMap<string, ImagePullAuth>;
  /** Names of helpers by normalized key. */
  readonly helpers: ReadonlyMap<string, string>;
  /** Name of the helper for all other registries. */
  readonly store: string | undefined;
  /** Normalized keys of registries that use no helper, not even `store`: its name is empty. */
  readonly helperless: ReadonlySet<string>;
  /** Problems with unreadable entries, by normalized key. */
  readonly problems: ReadonlyMap<string, string>;
}

/** A credential file, or the reason for not using it. */
export type CredentialFileResult =
  | { readonly state: "found"; readonly file: CredentialFile }
  | { readonly state: "absent" }
  | { readonly state: "not granted" }
  | { readonly state: "invalid" | "unreadable"; readonly why: string };

/** Reads a credential file without prompting for the permission. Does not fail. */
export async function tryReadCredentialFile(path: string): Promise<CredentialFileResult> {
  if (!isGranted({ name: "read", path })) return { state: "not granted" };
  try {
    return await readState(path);
  } catch (error) {
    return { state: "unreadable", why: readProblem(error) };
  }
}

/** Parses the text of a variable with credentials. Helpers in it do not count, as in docker. */
export function parseCredentialVariable(name: string, text: string): CredentialFileResult {
  const file = parseCredentialFile(`$${name}`, new TextEncoder().encode(text));
  if (typeof file === "string") return { state: "invalid", why: file };
  return { state: "found", file: { ...file, helpers: new Map(), store: undefined } };
}

/**
 * Reads a credential file that is about to change; returns `undefined` if there is none.
 *
 * @throws {CredentialFileError} If it is not a JSON object.
 */
export async function readCredentialFile(
  path: string,
  name: string = path,
): Promise<CredentialFile | undefined> {
  const result = await readState(path);
  if (result.state === "found") return result.file;
  if (result.state === "absent") return undefined;
  throw new CredentialFileError(name, result.why);
}

async function readState(
  path: string,
): Promise<Exclude<CredentialFileResult, { readonly state: "not granted" }>> {
  let bytes: Uint8Array<ArrayBuffer> | string;
  try {
    bytes = await readUserFile(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return { state: "absent" };
    throw error;
  }
  if (typeof bytes === "string") return { state: "unreadable", why: bytes };
  const file = parseCredentialFile(path, bytes);
  return typeof file === "string" ? { state: "invalid", why: file } : { state: "found", file };
}

/**
 * Parses a credential file; an empty one has no credentials.
 *
 * @returns The file, or the reason why it is invalid: a JSON error would quote passwords.
 */
export function parseCredentialFile(path: string, bytes: Uint8Array): CredentialFile | string {
  let text: string;
  let value: unknown;
  try {
    // Docker and podman also reject a byte order mark.
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    value = text.trim() === "" ? {} : JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  if (!isObject(value)) return "it is not a JSON object";
  const root = namedMembers(value);
  const auths = new Map<string, ImagePullAuth>();
  const problems = new Map<string, string>();
  for (const [key, value] of entriesByKey(root.get("auths"))) {
    const registry = normalizeCredentialKey(key);
    const auth = parseEntry(value);
    if (typeof auth === "string") problems.set(registry, auth);
    else if (auth !== undefined) auths.set(registry, auth);
  }
  const helpers = new Map<string, string>();
  const helperless = new Set<string>();
  for (const [key, value] of entriesByKey(root.get("credhelpers"))) {
    if (value === "") helperless.add(normalizeCredentialKey(key));
    else if (typeof value === "string") helpers.set(normalizeCredentialKey(key), value);
  }
  const store = string(root.get("credsstore"));
  return { path, text, auths, helpers, store, helperless, problems };
}

/**
 * Returns the members of an object by folded name. Merges duplicate objects. Docker and podman
 * ignore the case of fields; keys of registries are case-sensitive.
 */
export function namedMembers(value: unknown): ReadonlyMap<string, unknown> {
  const members = new Map<string, unknown>();
  for (const [name, member] of Object.entries(object(value))) {
    const folded = foldName(name);
    const known = members.get(folded);
    const areObjects = typeof member === "object" && typeof known === "object";
    members.set(folded, areObjects ? { ...object(known), ...object(member) } : member);
  }
  return members;
}

/** Returns entries in order of precedence: the last one for a registry wins. */
function entriesByKey(value: unknown): readonly [key: string, value: unknown][] {
  return Object.entries(object(value)).sort(([a], [b]) => compareCredentialKeys(a, b));
}

/**
 * Parses an entry, which may be empty: docker writes `{}` for credentials in a helper. If an entry
 * has both, `auth` overrides `username` and `password`, as in docker and skopeo.
 *
 * @returns The credential, `undefined`, or the reason why the entry cannot be read.
 */
function parseEntry(value: unknown): ImagePullAuth | string | undefined {
  if (value !== null && !isObject(value)) return "it is not an object";
  const entry = namedMembers(value);
  const registryToken = string(entry.get("registrytoken"));
  if (registryToken !== undefined) return { registryToken };
  const identityToken = string(entry.get("identitytoken"));
  const username = string(entry.get("username"));
  const password = string(entry.get("password"));
  const auth = string(entry.get("auth"));
  const encoded = auth === undefined ? undefined : loginOf({ auth });
  if (auth !== undefined && encoded === undefined && identityToken === undefined) {
    return '"auth" is not a user name and a password in base64';
  }
  const login = encoded ?? loginOf({ username, password });
  if (identityToken !== undefined) return { ...login, identityToken };
  return login && { ...login };
}

function object(value: unknown): Record<string, unknown> {
  return isObject(value) ? value : {};
}

function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
