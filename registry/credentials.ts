import type { ImagePullAuth } from "./image_client.ts";
import type { Repository } from "./reference.ts";

/** A credential with its source, for warnings. */
export interface Credential {
  /** The credential. */
  readonly auth: ImagePullAuth;
  /** Source of the credential, such as a file; shown to the user. */
  readonly source: string;
}

/** Options for {@linkcode CredentialStore.find}. */
export interface CredentialFindOptions {
  /** Aborts the search. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each problem, such as a helper that does not respond. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Called with each place that could not be searched, such as a file without read permission. The
   * error includes the message if the registry denies access.
   */
  readonly onSkipped?: ((message: string) => void) | undefined;
}

/** A source of credentials. */
export interface CredentialStore {
  /**
   * Finds the credential for a repository. Called only if a registry requires authentication or may
   * hide content from unauthenticated clients.
   *
   * @returns The credential, or `undefined` to continue without one. Missing or invalid files are
   * not errors.
   */
  find(repository: Repository, options?: CredentialFindOptions): Promise<Credential | undefined>;
}

/** A client certificate. */
export interface ClientCertificate {
  /** Certificate chain, in PEM. */
  readonly cert: string;
  /** Private key, in PEM. */
  readonly key: string;
}

/** Certificates for one host. */
export interface HostCertificates {
  /** Additional trusted certificates, in PEM. */
  readonly caCerts?: readonly string[] | undefined;
  /** Client certificate. */
  readonly clientCertificate?: ClientCertificate | undefined;
  /** Places that could not be searched, with the reasons, for the error if TLS fails. */
  readonly skipped?: readonly string[] | undefined;
}

/** Options for {@linkcode CertificateStore.find}. */
export interface CertificateFindOptions {
  /** Called with each problem, such as a damaged file. */
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** A source of certificates by host. */
export interface CertificateStore {
  /**
   * Finds the certificates for a host. Called once for each host, before the first request to it.
   *
   * @param host Host as in a URL, with the port unless it is 443, such as `registry.example:5000`.
   * @returns The certificates, or `undefined` if there are none for the host. Missing or invalid
   * files are not errors.
   */
  find(host: string, options?: CertificateFindOptions): Promise<HostCertificates | undefined>;
}

/**
 * Returns the `Authorization` header of a credential that needs no token exchange.
 *
 * @param auth A credential.
 * @returns `Bearer …` for a registry token, `Basic …` for a user and password, and `undefined` for
 * an identity token without a user, which must be exchanged, or without a credential. The identity
 * token of a user without a password is the password.
 *
 * @example Format the Authorization header of a request
 * ```ts
 * import { authorization } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(authorization({ username: "ann", password: "secret" }), "Basic YW5uOnNlY3JldA==");
 * assertEquals(authorization({ registryToken: "t0ken" }), "Bearer t0ken");
 * assertEquals(authorization({}), undefined);
 * ```
 */
export function authorization(auth: ImagePullAuth): string | undefined {
  if (auth.registryToken) return `Bearer ${auth.registryToken}`;
  const login = loginOf(auth);
  if (login === undefined) return undefined;
  const password = login.password || auth.identityToken || "";
  return `Basic ${encodeLogin({ ...login, password })}`;
}

/** Encodes a user and password as for Basic authentication (RFC 7617), and as in credential files. */
export function encodeLogin({ username, password }: Login): string {
  return new TextEncoder().encode(`${username}:${password}`).toBase64();
}

/** User name that stands for an identity token in place of a password, in docker's protocols. */
export const TOKEN_USER = "<token>";

/** A user and a password. */
export interface Login {
  /** User name, without a colon. */
  readonly username: string;
  /** Password or access token. */
  readonly password: string;
}

/**
 * Returns the user and password of a credential, decoding `auth` if necessary.
 *
 * @param auth A credential.
 * @returns Both, or `undefined` if there are none.
 *
 * @example Decode the `auth` of a credential file
 * ```ts
 * import { loginOf } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const { auth } = JSON.parse('{ "auth": "YW5uOnNlY3JldA==" }');
 *
 * assertEquals(loginOf({ auth }), { username: "ann", password: "secret" });
 * ```
 */
export function loginOf(auth: ImagePullAuth): Login | undefined {
  if (auth.username) return { username: auth.username, password: auth.password ?? "" };
  if (!auth.auth) return undefined;
  let text: string;
  try {
    // Old versions of Docker padded the decoded text with NULs.
    text = new TextDecoder().decode(Uint8Array.fromBase64(auth.auth.trim())).replace(
      /(?<!\0)\0+$/,
      "",
    );
  } catch {
    // Invalid base64 counts as no login, because a broken file must not prevent a public pull.
    return undefined;
  }
  const colon = text.indexOf(":");
  if (colon <= 0) return undefined;
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}
