import type { Credential } from "../credentials.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { isLoopback } from "../transport/private_address.ts";
import { wantsMoreScope } from "./_challenge.ts";
import { canWrite, mergeScopes, withoutRepositoryScopes } from "./scope.ts";

// How to read the responses of registries. Each function is one rule, and names the registries that
// require it.

/**
 * Returns whether a response requires a login: 401, or 403 if the token lacks a scope or worked
 * before, because some servers answer 403 to an expired token.
 */
export function requiresLogin(response: HttpResponse, hasGrant: boolean): boolean {
  if (response.status === 401) return true;
  return response.status === 403 && (hasGrant || wantsMoreScope(response));
}

/**
 * Returns whether a user may see more than this response to an unauthenticated client. Quay and Zot
 * answer 403 or 404 for a private repository, without a challenge, and leave it out of the catalog.
 *
 * @param repository Name of the repository; empty for the catalog.
 */
export function mayHideContent({ status }: HttpResponse, repository: string): boolean {
  return status === 403 || status === 404 || (status === 200 && repository === "");
}

/**
 * Returns whether a server denies access despite a grant. A 403 to an anonymous client is not a
 * denial but the final response, because nothing is left to try.
 */
export function isDenied(response: HttpResponse, credential: Credential | undefined): boolean {
  return requiresLogin(response, credential !== undefined);
}

/**
 * Returns whether anonymous access is pointless after a denial: a server that knows the user and
 * refuses a write refuses it to unauthenticated clients as well.
 */
export function isFinalDenial({ status }: HttpResponse, scope: string): boolean {
  return status === 403 && canWrite(scope);
}

/** Returns the scopes for a token. A token server may reject the request for an unknown scope. */
export function scopesToRequest(
  { scope, repository }: { readonly scope: string; readonly repository: string },
  named: string,
  isRedirectTarget: boolean,
): readonly string[] {
  // registry.k8s.io redirects to registries in which the repository has another name.
  if (named !== "" && isRedirectTarget) return mergeScopes(named);
  // The repository that a challenge for `/v2/` names is an example (ghcr.io).
  return mergeScopes(scope, repository === "" ? withoutRepositoryScopes(named) : named);
}

/**
 * Returns whether a plain-HTTP registry names a token server on its own host. An attacker could have
 * replaced the name, so that no other host may receive the credential.
 */
export function isSameServer(realm: URL, registry: URL): boolean {
  return realm.hostname === registry.hostname || (isLoopback(realm) && isLoopback(registry));
}
