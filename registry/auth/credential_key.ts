import type { Repository } from "../reference.ts";

const DOCKER_HUB_HOSTS = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** The name under which docker keeps the credential of Docker Hub, and asks its helpers. */
const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

/**
 * What a key of a credential file stands for: a host, or a host and the start of a repository.
 * `https://ghcr.io/v1/` is `ghcr.io`, and every name of Docker Hub is `docker.io`.
 */
export function normalizeCredentialKey(key: string): string {
  const bare = key.replace(/^https?:\/\//i, "");
  const [host = "", ...path] = bare.split("/");
  const registry = canonicalHost(host);
  // A key with a scheme is a server's address: its path is that of the API.
  const isServer = bare !== key || /^v[12]\/?$/.test(path.join("/"));
  const namespace = isServer ? "" : path.join("/").replace(/\/+$/, "");
  return namespace === "" ? registry : `${registry}/${namespace}`;
}

/** The ways to write Docker Hub, that which counts most first. */
const DOCKER_HUB_KEYS = [
  "docker.io",
  "https://docker.io",
  "https://docker.io/v1/",
  DOCKER_HUB_SERVER,
  "index.docker.io",
  "registry-1.docker.io",
];

/**
 * Orders keys that stand for the same: that which counts least comes first. A host counts more
 * than its address, and an address without a path more than one with the path of the API.
 */
export function compareCredentialKeys(a: string, b: string): number {
  return keyRank(b) - keyRank(a);
}

function keyRank(key: string): number {
  const hub = DOCKER_HUB_KEYS.indexOf(key.toLowerCase());
  if (hub >= 0) return hub;
  if (!/^https?:/i.test(key)) return 0;
  return /^https?:\/\/[^/]*$/i.test(key) ? 1 : 2;
}

/** Where a credential for a repository may stand, the most specific first. */
export function credentialKeys({ registry, repository }: Repository): readonly string[] {
  const host = canonicalHost(registry);
  const parts = repository.split("/").filter((part) => part !== "");
  const keys = parts.map((_, i) => [host, ...parts.slice(0, parts.length - i)].join("/"));
  return [...keys, host];
}

/** The server to ask a helper for. */
export function helperServer(registry: string): string {
  const host = canonicalHost(registry);
  return host === "docker.io" ? DOCKER_HUB_SERVER : host;
}

/** The key under which docker stores a normalized key. */
export function credentialFileKey(key: string): string {
  return key === "docker.io" ? DOCKER_HUB_SERVER : key;
}

function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_HOSTS.has(lower) ? "docker.io" : lower;
}
