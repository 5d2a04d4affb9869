import { parseIp } from "../transport/ip_network.ts";

/** Names that public DNS does not delegate, so that no web site can have them. */
const LOCAL_DOMAIN =
  /(?:^|\.)(?:corp|example|home|home\.arpa|internal|intranet|invalid|lan|local|localdomain|localhost|private|test)$/;

/**
 * Headers that browsers send and registry clients do not. A page can neither remove
 * `Accept-Language` nor replace the others, except the user agent in some browsers.
 */
const BROWSER_HEADERS = [
  "accept-language",
  "cookie",
  "origin",
  "referer",
  "sec-fetch-mode",
  "sec-fetch-site",
];

/** How clients reach a registry. */
export interface RegistryAccess {
  /** Whether clients need a password. */
  readonly hasPassword: boolean;
  /** Names that belong to the registry. */
  readonly hostnames: readonly string[];
}

/**
 * Returns whether a request comes from a page of another web site.
 *
 * A page can request content of another site, but not read it. If the name of the page resolves to
 * the address of the registry (DNS rebinding), a browser considers both as one site, and sends no
 * `Origin` with GET and no `Sec-Fetch-Site` over plain HTTP. Only the `Host` then tells them apart.
 * Registry clients may use any name, such as that of a reverse proxy. Over TLS, a browser checks
 * the name itself.
 */
export function isForeignPage(request: Request, url: URL, access: RegistryAccess): boolean {
  const { headers } = request;
  const isSubresource = headers.get("sec-fetch-site") === "cross-site" &&
    headers.get("sec-fetch-mode") !== "navigate";
  if (isSubresource) return true;
  const { hasPassword, hostnames } = access;
  return url.protocol === "http:" && !hasPassword && isBrowser(headers) &&
    isPublicName(url.hostname) && !hostnames.some((name) => name.toLowerCase() === url.hostname);
}

function isBrowser(headers: Headers): boolean {
  return BROWSER_HEADERS.some((name) => headers.has(name)) ||
    headers.get("user-agent")?.startsWith("Mozilla/") === true;
}

/** Returns whether a web site may have a name: it is no address, and not of a local network. */
function isPublicName(hostname: string): boolean {
  const name = hostname.replace(/\.$/, "");
  return name.includes(".") && parseIp(name) === undefined && !LOCAL_DOMAIN.test(name);
}
