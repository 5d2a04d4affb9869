import { explainedError } from "../../spec/error_facts.ts";
import type { RuleSource } from "../configuration/registry_rules.ts";
import { DOCKER_HUB, DOCKER_HUB_HOST, hostProblem } from "../reference.ts";
import type { RegistryHost } from "../registry_rule.ts";
import { isLoopback, isPrivateAddress } from "../transport/private_address.ts";
import { redactUrl } from "../transport/redact.ts";

/** A server with repositories. */
export interface Endpoint {
  /** Name of the registry, for credentials and messages. */
  readonly registry: string;
  /** Addresses to try until one responds, which is then remembered. */
  readonly bases: readonly URL[];
  /** Whether the second address, for HTTP, is only for a server that does not speak TLS. */
  readonly isTlsFirst: boolean;
  /** Path of its API, such as `/v2`. */
  readonly root: string;
  /** Path prefix of repository names, such as `proxy/`. */
  readonly prefix: string;
  /** Number of characters of a repository name that the prefix replaces. */
  readonly drop: number;
  readonly isMirror: boolean;
  /** Whether it may redirect to private addresses, because it has one itself. */
  readonly isPrivate: boolean;
  /** Registry of the image, for the parameter `ns` of requests; `undefined` to leave it out. */
  readonly namespace?: string | undefined;
  /** Settings from a `hosts.toml` or `daemon.json` file. */
  readonly host?: RegistryHost | undefined;
}

/** Defaults of an endpoint. */
const PLAIN = { isTlsFirst: false, root: "/v2", prefix: "", drop: 0, isMirror: false };

/** Options for {@linkcode registryEndpoint}. */
export interface EndpointSettings {
  /** Plain HTTP for all, none or some registries (default: for loopback, if it responds). */
  readonly plainHttp: boolean | readonly string[] | undefined;
  readonly allowPrivate: boolean;
  /** Whether a file allows plain HTTP where the server does not speak TLS. */
  readonly isInsecure?: boolean | undefined;
}

/** Returns the endpoint of a registry. */
export function registryEndpoint(registry: string, options: EndpointSettings): Endpoint {
  const { plainHttp, allowPrivate, isInsecure = false } = options;
  const problem = hostProblem(registry);
  if (problem !== undefined) {
    const action = `use "${registry}" as a registry`;
    throw explainedError(TypeError, {
      code: "invalid-argument",
      action,
      subject: registry,
      problem,
    });
  }
  const host = registry === DOCKER_HUB ? DOCKER_HUB_HOST : registry;
  const https = new URL(`https://${host}`);
  const http = new URL(`http://${host}`);
  const isPlain = Array.isArray(plainHttp) ? plainHttp.includes(registry) : plainHttp;
  const isTlsFirst = isInsecure && !isPlain && plainHttp !== false && !isLoopback(https);
  const bases = isPlain
    ? [http]
    : isTlsFirst
    ? [https, http]
    : plainHttp === false || !isLoopback(https)
    ? [https]
    // No traffic leaves the machine either way. A TLS server rejects plain HTTP at once, but an
    // HTTP server may wait for more after a TLS handshake starts.
    : [http, https];
  const isPrivate = allowPrivate || isPrivateAddress(https);
  return { ...PLAIN, registry, bases, isTlsFirst, isPrivate };
}

/** Returns the endpoint of a place that replaces a registry, or is the registry itself. */
export function sourceEndpoint(
  source: RuleSource,
  registry: string,
  settings: EndpointSettings,
): Endpoint {
  const { isMirror, isInsecure, drop, prefix, host } = source;
  const common = { isMirror, drop, prefix, host };
  const { plainHttp } = settings;
  const namespace = host?.sendsNamespace && source.registry !== registry ? registry : undefined;
  if (host?.url === undefined) {
    return { ...registryEndpoint(source.registry, { ...settings, isInsecure }), ...common };
  }
  const url = new URL(host.url);
  const base = new URL(url.origin);
  const isTlsFirst = isInsecure && url.protocol === "https:" && plainHttp !== false;
  return {
    ...common,
    registry: source.registry,
    bases: isTlsFirst ? [base, new URL(url.origin.replace(/^https/, "http"))] : [base],
    isTlsFirst,
    root: url.pathname.replace(/(?<=\/v2)\/.*$|\/$/, ""),
    isPrivate: settings.allowPrivate || isPrivateAddress(url),
    namespace,
  };
}

/** Returns the endpoint of a mirror; the path of its URL is a prefix of repository names. */
export function mirrorEndpoint(address: string, allowPrivate: boolean): Endpoint {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw explainedError(TypeError, {
      code: "invalid-argument",
      action: `use "${address}" as a mirror`,
      subject: address,
      problem: 'it must be a URL such as "https://mirror.example"',
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw explainedError(TypeError, {
      code: "invalid-argument",
      action: `use "${redactUrl(url)}" as a mirror`,
      subject: url.host,
      problem: "it must not contain a password",
      advice: `Log in to ${url.host} instead`,
      option: "mirrors",
    });
  }
  const path = url.pathname.split("/").filter((part) => part !== "");
  if (path[0] === "v2") path.shift();
  return {
    ...PLAIN,
    registry: url.host,
    bases: [new URL(url.origin)],
    prefix: path.map((part) => `${part}/`).join(""),
    isMirror: true,
    isPrivate: allowPrivate || isPrivateAddress(url),
  };
}
