import type { ImagePullAuth } from "./image_client.ts";
import type { Repository } from "./reference.ts";

/** A credential, and where it is from, so that a warning can name the place. */
export interface Credential {
  /** What opens the registry. */
  readonly auth: ImagePullAuth;
  /** Where it is from, such as a file; it is shown to the user. */
  readonly source: string;
}

/** Options of {@linkcode CredentialStore.find}. */
export interface CredentialFindOptions {
  /** Stops the search. */
  readonly signal?: AbortSignal | undefined;
  /** Is told what is broken, such as a helper that does not answer. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Is told what could not be looked at, such as a file without the permission to read it. It
   * becomes part of the error if the registry refuses.
   */
  readonly onSkipped?: ((message: string) => void) | undefined;
}

/** Where credentials come from. */
export interface CredentialStore {
  /**
   * Finds the credential for a repository. It is asked only if a registry wants to know who
   * asks, or may hide from strangers what it does not give.
   *
   * @param repository Which repository of which registry.
   * @param options Whom to tell.
   * @returns The credential, or `undefined` to go on without. Nothing that is missing or broken
   * is an error here.
   */
  find(repository: Repository, options?: CredentialFindOptions): Promise<Credential | undefined>;
}

/**
 * The `Authorization` header that a credential stands for without an exchange of tokens.
 *
 * @param auth A credential.
 * @returns `Bearer …` for a registry token, `Basic …` for a user and a password, and `undefined`
 * for an identity token, which must be exchanged, and for no credential at all.
 *
 * @example A user and a password
 * ```ts
 * import { authorization } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(authorization({ username: "u", password: "p" }), "Basic dTpw");
 * assertEquals(authorization({ registryToken: "t" }), "Bearer t");
 * assertEquals(authorization({}), undefined);
 * ```
 */
export function authorization(auth: ImagePullAuth): string | undefined {
  if (auth.registryToken) return `Bearer ${auth.registryToken}`;
  const login = loginOf(auth);
  if (login === undefined) return undefined;
  const text = `${login.username}:${login.password}`;
  return `Basic ${new TextEncoder().encode(text).toBase64()}`;
}

/** A user and a password. */
export interface Login {
  /** User name; it has no colon. */
  readonly username: string;
  /** Password or access token. */
  readonly password: string;
}

/**
 * The user and password of a credential, also if they stand in `auth`.
 *
 * @param auth A credential.
 * @returns Both, or `undefined` if there are none.
 *
 * @example Take `auth` apart
 * ```ts
 * import { loginOf } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(loginOf({ auth: "dTpwOnE=" }), { username: "u", password: "p:q" });
 * ```
 */
export function loginOf(auth: ImagePullAuth): Login | undefined {
  if (auth.username) return { username: auth.username, password: auth.password ?? "" };
  if (!auth.auth) return undefined;
  let text: string;
  try {
    // Docker pads the decoded text with NULs in old files.
    text = new TextDecoder().decode(Uint8Array.fromBase64(auth.auth.trim())).replace(/\0+$/, "");
  } catch {
    // Not base64: the same as no login, since a broken file must not stop a public pull.
    return undefined;
  }
  const colon = text.indexOf(":");
  if (colon <= 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
