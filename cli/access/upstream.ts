import { parseReference } from "../../registry/reference.ts";

/** Upstream registry of `serve`. */
export interface Upstream {
  /** Registry in the form of references. */
  readonly registry: string;
  /** Path prefix of its repositories. */
  readonly prefix: string | undefined;
  /** Whether it uses HTTP without TLS; `undefined` if the address has no scheme. */
  readonly plainHttp: boolean | undefined;
}

/** Hosts of Docker Hub, which references call `docker.io`. */
const HUB_HOSTS: readonly string[] = ["docker.io", "registry-1.docker.io", "index.docker.io"];

/**
 * Parses the value of `--proxy`.
 *
 * @throws {SyntaxError} If the text is not the URL of a registry.
 */
export function parseUpstream(text: string): Upstream {
  const match = /^(?:(https?):\/\/)?([^/?#@\s]+)(?:\/+([^?#@\s]*?))?\/*$/.exec(text);
  const [, scheme, host = "", path = ""] = match ?? [];
  const registry = HUB_HOSTS.includes(host) ? "docker.io" : host;
  // The path of the API is not part of a repository name.
  const prefix = path === "" || path === "v2" ? undefined : path;
  if (match === null || !isRegistry(registry, prefix)) {
    throw new SyntaxError("it must be the URL of a registry, such as https://registry-1.docker.io");
  }
  return { registry, prefix, plainHttp: scheme === undefined ? undefined : scheme === "http" };
}

function isRegistry(registry: string, prefix: string | undefined): boolean {
  try {
    // A name without a dot or a port is the first part of a path.
    return parseReference(`${registry}/${prefix ?? "x"}/x`).registry === registry;
  } catch {
    return false;
  }
}
