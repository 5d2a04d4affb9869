import { AuthError, type RequestTask } from "../errors.ts";
import { isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";

/** Registry that names a token server, and the action. */
export interface TokenServerOptions {
  /** Name of the registry for the user. */
  readonly registry: string;
  /** Whether the registry uses plain HTTP, which allows its token server to do so. */
  readonly isPlain: boolean;
  /** Whether the token server may have a private address. */
  readonly allowPrivate: boolean;
  /** Action for error messages, after "Cannot". */
  readonly task: RequestTask;
}

/**
 * Parses the address of a token server in the `realm` of a challenge. The address is untrusted, and
 * receives a credential.
 *
 * @throws {AuthError} If the address must not receive a credential.
 */
export function tokenServer(realm: string | undefined, options: TokenServerOptions): URL {
  const { registry, isPlain, allowPrivate, task } = options;
  const fail = (state: string): never => {
    throw new AuthError(
      `${registry} names an unsafe token server: ${state}`,
      { ...task, status: 401, registry, url: realm === undefined ? "" : redactUrl(realm) },
    );
  };
  const url = URL.parse(realm ?? "");
  if (url === null) return fail("its address is not a URL");
  if (url.username !== "" || url.password !== "") fail("its address contains a password");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isPlain)) {
    fail("it does not use https");
  }
  if (isPrivateAddress(url) && !allowPrivate) {
    fail(`${url.hostname} is in a private network`);
  }
  return url;
}
