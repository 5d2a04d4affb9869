import {
  type IpAddress,
  type IpNetwork,
  isInNetwork,
  isLoopback,
  parseIp,
  parseNetwork,
} from "./private_address.ts";
import { NetworkError } from "../errors.ts";

/** A proxy that a variable of the environment names. */
export interface Proxy {
  /** The variable, for the user. */
  readonly variable: string;
  /** Its address, without a password. */
  readonly url: string;
  readonly login?: { readonly username: string; readonly password: string } | undefined;
}

/** Reads a variable; `undefined` if it is not set or may not be read. */
export type VariableReader = (name: string) => string | undefined;

const PORTS: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };
const PROXY_SCHEMES = ["http", "https", "socks5", "socks5h"];

/** The variables that programs read in either case. */
const ALL_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/** Reads a variable that may be read without asking for a permission. */
function readGranted(variable: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable });
  return state === "granted" ? Deno.env.get(variable) : undefined;
}

/**
 * Finds the proxy for a URL: in `HTTPS_PROXY` or `HTTP_PROXY`, as the URL has it, then in
 * `ALL_PROXY`, each in either case. `NO_PROXY` names the hosts that need none, as Go and curl read
 * it. There is never a proxy for this machine.
 *
 * @throws {NetworkError} If the value of the variable is not the address of a proxy: a connection
 * past it could be what it is there to prevent.
 */
export function findProxy(
  url: URL,
  task: string,
  read: VariableReader = readGranted,
): Proxy | undefined {
  if (isLoopback(url)) return undefined;
  const found = proxyVariable(url, read);
  if (found === undefined || isExcepted(url, read("NO_PROXY") || read("no_proxy") || "")) {
    return undefined;
  }
  const proxy = parseProxy(found);
  if (proxy !== undefined) return proxy;
  // The value may hold a password.
  throw new NetworkError(
    `Cannot ${task}: the value of ${found.variable} is not the address of a proxy; write it as ` +
      '"http://HOST:PORT"',
    { url: url.origin, reason: "request" },
  );
}

/** The variable that names the proxy for a URL, whatever `NO_PROXY` says. */
function proxyVariable(
  url: URL,
  read: VariableReader,
): { readonly variable: string; readonly value: string } | undefined {
  const own = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  for (const variable of [own, own.toLowerCase(), "ALL_PROXY", "all_proxy"]) {
    const value = read(variable)?.trim();
    if (value) return { variable, value };
  }
  return undefined;
}

/**
 * Parses the address of a proxy. The password may have any character, as it is everything between
 * the first colon and the last `@`; what is percent-encoded in it is decoded.
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

/** Decodes what is percent-encoded, and keeps a percent sign that encodes nothing. */
function percentDecoded(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
}

/** Whether `NO_PROXY` names the host of a URL. */
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
    const other = parseIp(name);
    if (ip !== undefined) return other !== undefined && isSame(other, ip);
    return isSuffix(name, host);
  });
}

/** Splits `HOST:PORT`; an IPv6 address has its port after brackets. */
function splitPort(text: string): { readonly name: string; readonly port?: string | undefined } {
  const [, name = text, port] = /^(\[[^\]]*\]|[^:]*):([0-9]+)$/.exec(text) ?? [];
  return { name, port };
}

/** Whether a name is a host, or one of its domains; with a dot in front, only the latter. */
function isSuffix(name: string, host: string): boolean {
  const bare = name.replace(/^\*\./, ".").replace(/\.$/, "");
  return bare.startsWith(".") ? host.endsWith(bare) : host === bare || host.endsWith(`.${bare}`);
}

function isSame(address: IpAddress, ip: IpAddress): boolean {
  const network: IpNetwork = { address, bits: 128 };
  return isInNetwork(ip, network);
}

/**
 * Calls `create` with an environment that names no proxy. Deno's clients read it when they are
 * created, judge `NO_PROXY` otherwise than everybody else, and cannot be told to use no proxy.
 *
 * @returns `undefined` if the environment may not be changed, or not even be read: then Deno's
 * clients do as it says.
 */
export function withoutProxyVariables<T>(create: () => T): T | undefined {
  const isGranted = ALL_VARIABLES.every((variable) => {
    return Deno.permissions.querySync({ name: "env", variable }).state === "granted";
  });
  if (!isGranted) return undefined;
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
