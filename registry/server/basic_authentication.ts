import { errorResponse } from "./_server_response.ts";

/** Checks a user name and a password. */
export type PasswordCheck = (username: string, password: string) => boolean | Promise<boolean>;

/**
 * Creates an `authenticate` hook for the embedded registry that requires HTTP Basic credentials
 * (RFC 7617, in UTF-8).
 *
 * Basic authentication sends the password unencrypted: use TLS unless all clients run on the same
 * machine.
 *
 * @param check Checks a user name and a password. It should take the same time for unknown names.
 * @param realm Name of the registry in the challenge; `"oci"` by default.
 *
 * @example Require a password for a registry
 * ```ts
 * import { basicAuthentication, serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * await using registry = await serveRegistry(undefined, {
 *   authenticate: basicAuthentication((name, password) => name === "ann" && password === "secret"),
 * });
 * const authorization = `Basic ${btoa("ann:secret")}`;
 *
 * const refused = await fetch(`${registry.url}/v2/_catalog`);
 * const accepted = await fetch(`${registry.url}/v2/_catalog`, { headers: { authorization } });
 *
 * assertEquals([refused.status, accepted.status], [401, 200]);
 * await refused.body?.cancel();
 * await accepted.body?.cancel();
 * ```
 */
export function basicAuthentication(
  check: PasswordCheck,
  realm: string = "oci",
): (request: Request) => Promise<Response | undefined> {
  const challenge = `Basic realm="${realm.replaceAll(/["\\]/g, "\\$&")}", charset="UTF-8"`;
  return async (request) => {
    const credentials = parseBasic(request.headers.get("authorization"));
    if (credentials !== undefined && await check(...credentials)) return undefined;
    const message = "a valid user name and password are required";
    return errorResponse(401, "UNAUTHORIZED", message, { "www-authenticate": challenge });
  };
}

function parseBasic(header: string | null): [username: string, password: string] | undefined {
  const encoded = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(encoded));
    const colon = text.indexOf(":");
    return colon < 0 ? undefined : [text.slice(0, colon), text.slice(colon + 1)];
  } catch {
    // Neither base64 nor UTF-8 counts as no credentials.
    return undefined;
  }
}
