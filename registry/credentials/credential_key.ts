import { DOCKER_HUB, DOCKER_HUB_HOST, DOCKER_HUB_HOSTS, type Repository } from "../reference.ts";

/** Docker's key for Docker Hub, in files and helpers. */
const DOCKER_HUB_SERVER = "https://index.docker.io/v1/";

/** Paths of the API, with which some tools write the address of a registry. */
const API_PATH_REGEXP = /^(?:v[12])?\/?$/;

/**
 * Normalizes a key of a credential file to a host, or a host and the start of a repository.
 * `https://ghcr.io/v1/` becomes `ghcr.io`, and all names of Docker Hub become `docker.io`. Keys of
 * docker's own tokens for Docker Hub, such as `https://index.docker.io/v1/refresh-token`, stay as
 * they are: they are not credentials for its registry.
 */
export function normalizeCredentialKey(key: string): string {
  const { bare, registry, path } = splitKey(key);
  const isAddress = bare !== key;
  if (isAddress && registry === DOCKER_HUB && !API_PATH_REGEXP.test(path)) return key.toLowerCase();
  // A key with a scheme is the address of a server, and its path belongs to the API.
  const namespace = isAddress || API_PATH_REGEXP.test(path) ? "" : path.replace(/(?<!\/)\/+$/, "");
  return namespace === "" ? registry : `${registry}/${namespace}`;
}

/**
 * Returns whether a logout from a registry erases a key: one for the registry itself, or for one of
 * docker's tokens that belong to it.
 */
export function isErasedWith(key: string, registry: string): boolean {
  if (normalizeCredentialKey(key) === registry) return true;
  const split = splitKey(key);
  return split.bare !== key && split.registry === registry;
}

/** Splits a key into its parts, without the scheme of an address. */
function splitKey(key: string): { bare: string; registry: string; path: string } {
  const bare = key.replace(/^https?:\/\//i, "");
  const [host = "", ...path] = bare.split("/");
  return { bare, registry: hostKey(host), path: path.join("/") };
}

/** Keys of Docker Hub in order of precedence. */
const DOCKER_HUB_KEYS = [
  DOCKER_HUB,
  "https://docker.io",
  "https://docker.io/v1/",
  DOCKER_HUB_SERVER,
  "index.docker.io",
  DOCKER_HUB_HOST,
];

/**
 * Orders equivalent keys by ascending precedence. A host takes precedence over its address, and an
 * address without a path over one with the path of the API.
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
  const host = hostKey(registry);
  const parts = repository.split("/").filter((part) => part !== "");
  const keys = parts.map((_, i) => [host, ...parts.slice(0, parts.length - i)].join("/"));
  return [...keys, host];
}

/** Returns the server name for a helper. */
export function helperServer(registry: string): string {
  const host = hostKey(registry);
  return host === DOCKER_HUB ? DOCKER_HUB_SERVER : host;
}

/** Returns docker's form of a normalized key. */
export function credentialFileKey(key: string): string {
  return key === DOCKER_HUB ? DOCKER_HUB_SERVER : key;
}

/** Returns the normalized key of a registry, without a namespace. */
export function hostKey(host: string): string {
  const lower = host.toLowerCase();
  return DOCKER_HUB_HOSTS.has(lower) ? DOCKER_HUB : lower;
}
