import type { HttpResponse } from "./http_response.ts";
import { isPrivateAddress, privateAddressOption } from "./private_address.ts";

const MAX_REDIRECTS = 10;
const STATUSES = new Set([301, 302, 303, 307, 308]);

/**
 * Follows redirects to the first response that is not one.
 *
 * @param allowPrivate Whether a redirect may lead into a private network; `"never"` if no option of
 * the client permits it.
 * @throws {RegistryError} If there are too many redirects, or an unsafe one.
 */
export async function followRedirects(
  response: HttpResponse,
  allowPrivate: boolean | "never",
  send: (target: URL) => Promise<HttpResponse>,
): Promise<HttpResponse> {
  for (let hops = 0; STATUSES.has(response.status); hops++) {
    // Nothing needs the body of a redirect.
    response[Symbol.dispose]();
    const target = redirectTarget(response, allowPrivate);
    if (hops >= MAX_REDIRECTS) {
      throw response.error(`${response.url.host} sends more than ${MAX_REDIRECTS} redirects`);
    }
    response = await send(target);
  }
  return response;
}

/**
 * Returns the target of a redirect.
 *
 * @throws {RegistryError} If it leads from HTTPS to plain HTTP or into a private network, or if it
 * is missing.
 */
export function redirectTarget(response: HttpResponse, allowPrivate: boolean | "never"): URL {
  const location = response.headers.get("location");
  const fail = (state: string, option?: "allowPrivateAddresses"): never => {
    throw response.error(`${response.url.host} redirects ${state}`, { option });
  };
  const url = URL.parse(location ?? "", response.url);
  if (location === null || url === null) return fail("without a valid target");
  if (url.protocol !== "https:" && url.protocol !== "http:") fail(`to a ${url.protocol} address`);
  if (url.protocol === "http:" && response.url.protocol === "https:") {
    fail(`from https to plain HTTP, at ${url.host}`);
  }
  if (url.username !== "" || url.password !== "") fail("to an address that contains a password");
  if (isPrivateAddress(url) && allowPrivate !== true) {
    const option = allowPrivate === "never" ? undefined : privateAddressOption(url);
    fail(`to ${url.hostname} in a private network`, option);
  }
  return url;
}
