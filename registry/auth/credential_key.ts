import type { Repository } from "../reference.ts";

const DOCKER_HUB_HOSTS = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

/** Docker's key for Docker Hub, in files and helpers. */
const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

/**
 * Normalizes a key of a credential file to a host, or a host and the start of a repository.
 * `https://ghcr.io/v1/` becomes `ghcr.io`, and all names of Docker Hub become `docker.io`.
 */
export function normalizeCredentialKey(key: string): string {
  const bare = key.replace(/^https?:\/\//i, "");
  const [host = "", ...path] = bare.split("/");
  const registry = canonicalHost(host);
  // A key with a scheme is the address of a server, and its path belongs to the API.
  const isServer = bare !== key || /^v[12]\/?$/.test(path.join("/"));
  const namespace = isServer ? "" : path.join("/").replace(/\/+$/, "");
  return namespace === "" ? registry : `${registry}/${namespace}`;
}

/** Keys of Docker Hub in order of precedence. */
const DOCKER_HUB_KEYS = [
  "docker.io",
  "https://docker.io",
  "https://docker.io/v1/",
  DOCKER_HUB_SERVER,
  "index.docker.io",
  "registry-1.docker.io",
];

/**
 * Orders equivalent keys by ascending precedence. A host takes precedence over
 * its address, and an address without a path over one with the path of the API.
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

/** Returns the keys for a repository, starting with the most specific one. */
export function credentialKeys({ registry, repository }: Repository): readonly string[] {
  const host = canonicalHost(registry);
  const parts = repository.split("/").filter((part) => part !== "");
  const keys = parts.map((_, i) => [host, ...parts.slice(0, parts.length - i)].join("/"));
  return [...keys, host];
}

/** Returns the server name for a helper. */
export function helperServer(registry: string): string {
  const host = canonicalHost(registry);
  return host === "docker.io" ? DOCKER_HUB_SERVER : host;
}

/** Returns docker's form of a normalized key. */
export function credentialFileKey(key: string): string {
  return key === "docker.io" ? DOCKER_HUB_SERVER : key;
}

function canonicalHost(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_HOSTS.has(lower) ? "docker.io" : lower;
}
