import { isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";
import { AuthError } from "../errors.ts";

/** Who names a token server, and what for. */
export interface TokenServerOptions {
  /** The registry, as the user knows it. */
  readonly registry: string;
  /** Whether the registry speaks plain HTTP, so that its token server may. */
  readonly isPlain: boolean;
  /** Whether the token server may have a private address. */
  readonly allowPrivate: boolean;
  /** What is being done, for the errors: "Cannot …". */
  readonly task: string;
}

/**
 * The address of a token server in the `realm` of a challenge: a stranger gives it, and a credential
 * is sent there.
 *
 * @throws {AuthError} If it is not one to send a credential to.
 */
export function tokenServer(realm: string | undefined, options: TokenServerOptions): URL {
  const { registry, isPlain, allowPrivate, task } = options;
  const fail = (state: string): never => {
    throw new AuthError(
      `Cannot ${task}: ${registry} names a token server that is not asked, ${state}`,
      { status: 401, url: realm === undefined ? "" : redactUrl(realm) },
    );
  };
  const url = URL.parse(realm ?? "");
  if (url === null) return fail("as its address is not a URL");
  if (url.username !== "" || url.password !== "") fail("as its address holds a password");
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isPlain)) {
    fail("as it does not use https");
  }
  if (isPrivateAddress(url) && !allowPrivate) {
    fail(`as ${url.hostname} is an address of a private network`);
  }
  return url;
}
