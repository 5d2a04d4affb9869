import { isLoopback, isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";

/** A server that has repositories. */
export interface Endpoint {
  /** The registry, as credentials are kept for it and the user knows it. */
  readonly registry: string;
  /** Addresses to try until one answers; which one does is remembered. */
  readonly bases: readonly URL[];
  /** What stands before the name of a repository there, such as `proxy/`. */
  readonly prefix: string;
  /** Whether it mirrors the registry that the user names. */
  readonly isMirror: boolean;
  /** Whether it may send us to private addresses, as it has one itself. */
  readonly isPrivate: boolean;
}

/** How to reach a registry that is named by host. */
export interface EndpointOptions {
  /** Plain HTTP for all, none, or some registries; by default, for loopback if it answers so. */
  readonly plainHttp: boolean | readonly string[] | undefined;
  readonly allowPrivate: boolean;
}

/** The endpoint of a registry. */
export function registryEndpoint(registry: string, options: EndpointOptions): Endpoint {
  const { plainHttp, allowPrivate } = options;
  const host = registry === "docker.io" ? "registry-1.docker.io" : registry;
  const https = new URL(`https://${host}`);
  const http = new URL(`http://${host}`);
  const isPlain = Array.isArray(plainHttp) ? plainHttp.includes(registry) : plainHttp;
  const bases = isPlain ? [http] : plainHttp === false || !isLoopback(https)
    ? [https]
    // Nothing leaves the machine either way. A server for TLS refuses plain HTTP at once, but one
    // for HTTP may wait for the rest of what TLS begins with.
    : [http, https];
  const isPrivate = allowPrivate || isPrivateAddress(https);
  return { registry, bases, prefix: "", isMirror: false, isPrivate };
}

/** The endpoint of a mirror; a path in its URL stands before the names of repositories. */
export function mirrorEndpoint(address: string, allowPrivate: boolean): Endpoint {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new TypeError(
      `Cannot use "${address}" as a mirror: it must be a URL such as "https://mirror.example"`,
    );
  }
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      `Cannot use "${
        redactUrl(url)
      }" as a mirror: it must not hold a password; log in to it with ` +
        `"docker login ${url.host}"`,
    );
  }
  const path = url.pathname.split("/").filter((part) => part !== "");
  if (path[0] === "v2") path.shift();
  return {
    registry: url.host,
    bases: [new URL(url.origin)],
    prefix: path.map((part) => `${part}/`).join(""),
    isMirror: true,
    isPrivate: allowPrivate || isPrivateAddress(url),
  };
}
