import { NetworkError } from "../errors.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import type { Endpoint } from "./_endpoint.ts";

/** Callbacks of {@linkcode detectProtocol}. */
export interface DetectProtocolOptions {
  /** Sends the request to an address. */
  readonly send: (base: URL) => Promise<HttpResponse>;
  /** Returns whether an address is known to be the right one. */
  readonly isKnown: () => boolean;
  /** Returns whether a server responds to a TLS handshake. */
  readonly speaksTls: (base: URL) => Promise<boolean>;
  /** Creates the error for a server that requires TLS although only plain HTTP is allowed. */
  readonly requiresTls: (base: URL) => Error;
}

/**
 * Finds out with the first request whether a registry uses HTTP or HTTPS. Sends the request to its
 * first address, and to the second one, for HTTPS, if the first response is unexpected and the
 * second address responds to a TLS handshake.
 *
 * @returns The response to the request.
 * @throws {Error} If there is no second address, but the first one, for plain HTTP, responds to a
 * TLS handshake.
 */
export async function detectProtocol(
  endpoint: Pick<Endpoint, "bases" | "isTlsFirst">,
  { send, isKnown, speaksTls, requiresTls }: DetectProtocolOptions,
): Promise<HttpResponse> {
  const [base, other] = await basesToTry(endpoint, speaksTls);
  if (base === undefined) {
    throw new RangeError("Cannot send a request: the registry has no address");
  }
  if (other === undefined && base.protocol === "https:") return await send(base);
  let doubtful: HttpResponse | undefined;
  let failure: unknown;
  try {
    doubtful = await send(base);
    if (isKnown()) return doubtful;
  } catch (error) {
    if (isKnown() || !isOtherProtocol(error)) throw error;
    failure = error;
  }
  if (!await speaksTls(other ?? withTls(base))) {
    if (doubtful === undefined) throw failure;
    return doubtful;
  }
  doubtful?.[Symbol.dispose]();
  if (other === undefined) throw requiresTls(base);
  return await send(other);
}

/**
 * Returns the addresses to try. Even where a file allows plain HTTP, it is used only if the server
 * does not speak TLS; otherwise, its certificate is verified.
 */
async function basesToTry(
  { bases, isTlsFirst }: Pick<Endpoint, "bases" | "isTlsFirst">,
  speaksTls: (base: URL) => Promise<boolean>,
): Promise<readonly URL[]> {
  const [https, http] = bases;
  if (!isTlsFirst || https === undefined || http === undefined) return bases;
  return [await speaksTls(https) ? https : http];
}

/** Returns the address with the same port, but for HTTPS. */
function withTls({ hostname, port }: URL): URL {
  return new URL(`https://${hostname}:${port || "80"}`);
}

/** Returns whether a failure may mean that only one side uses TLS. */
function isOtherProtocol(error: unknown): boolean {
  return error instanceof NetworkError && (error.reason === "protocol" || error.reason === "cut");
}
