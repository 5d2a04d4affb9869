import { type EnvironmentReader, isGranted, readGrantedEnvironment } from "../../spec/granted.ts";
import { NetworkError, type RequestTask } from "../errors.ts";
import { isInNetwork, parseIp, parseNetwork } from "./ip_network.ts";
import { isLoopback } from "./private_address.ts";
import { percentDecoded } from "./redact.ts";

/** A proxy from an environment variable. */
export interface Proxy {
  /** Name of the variable. */
  readonly variable: string;
  /** Address without the password. */
  readonly url: string;
  readonly login?: { readonly username: string; readonly password: string } | undefined;
}

const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };
const PROXY_SCHEMES = ["http", "https", "socks5", "socks5h"];

/** Variables, in upper and lower case. */
const ALL_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * Finds the proxy for a URL: in `HTTPS_PROXY` or `HTTP_PROXY`, depending on the URL, then in
 * `ALL_PROXY`, each in either case. `NO_PROXY` lists the hosts to connect to directly, as in Go and
 * curl. This machine is always reached directly.
 *
 * @throws {NetworkError} If the value of the variable is not the address of a proxy: a direct
 * connection could bypass a policy.
 */
export function findProxy(
  url: URL,
  task: RequestTask,
  read: EnvironmentReader = readGrantedEnvironment,
): Proxy | undefined {
  if (isLoopback(url)) return undefined;
  const found = proxyVariable(url, read);
  if (found === undefined || isExcepted(url, read("NO_PROXY") || read("no_proxy") || "")) {
    return undefined;
  }
  const proxy = parseProxy(found);
  if (proxy !== undefined) return proxy;
  // The value may contain a password.
  throw new NetworkError(
    `the value of ${found.variable} is not the address of a proxy`,
    {
      ...task,
      url: url.origin,
      reason: "request",
      advice: `Write ${found.variable} as "http://HOST:PORT"`,
    },
  );
}

/** Returns the variable with the proxy for a URL, ignoring `NO_PROXY`. */
function proxyVariable(
  url: URL,
  read: EnvironmentReader,
): { readonly variable: string; readonly value: string } | undefined {
  const own = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  for (const variable of [own, own.toLowerCase(), "ALL_PROXY", "all_proxy"]) {
    const value = read(variable)?.trim();
    if (value) return { variable, value };
  }
  return undefined;
}

/**
 * Parses the address of a proxy. The password may contain any character: it is the text between the
 * first colon and the last `@`, percent-decoded.
 */
function parseProxy(
  { variable, value }: { readonly variable: string; readonly value: string },
): Proxy | undefined {
  const [, scheme = "http", login, host = ""] =
    /^(?:([a-z0-9+.-]+):\/\/)?(?:(.*)@)?([^@/?#]+)\/?$/is.exec(value) ?? [];
  const url = URL.parse(`${scheme.toLowerCase()}://${host}`);
  if (url === null || !PROXY_SCHEMES.includes(scheme.toLowerCase()) || url.hostname === "") {
    return undefined;
  }
  const address = `${url.protocol}//${url.host}`;
  if (login === undefined) return { variable, url: address };
  const [username = "", ...password] = login.split(":");
  return {
    variable,
    url: address,
    login: { username: percentDecoded(username), password: percentDecoded(password.join(":")) },
  };
}

/** Returns whether `NO_PROXY` matches the host of a URL. */
function isExcepted(url: URL, exceptions: string): boolean {
  const host = url.hostname.toLowerCase().replace(/\.$/, "");
  const port = url.port || PORTS[url.protocol];
  const ip = parseIp(host);
  return exceptions.toLowerCase().split(/[\s,]+/).some((exception) => {
    if (exception === "*") return true;
    const network = parseNetwork(exception);
    if (network !== undefined) return ip !== undefined && isInNetwork(ip, network);
    const { name, port: onlyPort } = splitPort(exception);
    if (name === "" || (onlyPort !== undefined && onlyPort !== port)) return false;
    const address = parseIp(name);
    if (ip === undefined) return isSuffix(name, host);
    return address !== undefined && isInNetwork(ip, { address, bits: 128 });
  });
}

/** Splits `HOST:PORT`; an IPv6 address with a port needs brackets. */
function splitPort(text: string): { readonly name: string; readonly port?: string | undefined } {
  const [, name = text, port] = /^(\[[^\]]*\]|[^:]*):([0-9]+)$/.exec(text) ?? [];
  return { name, port };
}

/** Returns whether a host is a domain or in it; with a leading dot, the domain itself is not. */
function isSuffix(name: string, host: string): boolean {
  const bare = name.replace(/^\*\./, ".").replace(/\.$/, "");
  return bare.startsWith(".") ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

/**
 * Calls `create` in an environment without proxies. Deno's clients read the environment when they
 * are created, interpret `NO_PROXY` unlike other programs, and have no option to disable proxies.
 *
 * @returns `undefined` if permissions do not allow reading or changing the environment. Deno's
 * clients then follow the environment.
 */
export function withoutProxyVariables<T>(create: () => T): T | undefined {
  if (!canSetProxyVariables()) return undefined;
  const values = ALL_VARIABLES.flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value] as const];
  });
  for (const [name] of values) Deno.env.delete(name);
  try {
    return create();
  } finally {
    for (const [name, value] of values) Deno.env.set(name, value);
  }
}

/** Returns whether permissions allow reading and changing the variables of proxies. */
export function canSetProxyVariables(): boolean {
  return ALL_VARIABLES.every((variable) => isGranted({ name: "env", variable }));
}
