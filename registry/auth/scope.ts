/** Returns the scope for reading a repository. */
export function pullScope(repository: string): string {
  return `repository:${repository}:pull`;
}

/** Returns the scope for writing to a repository, and for mounting blobs from another one. */
export function pushScope(repository: string, mountFrom?: string): string {
  const scope = `repository:${repository}:pull,push`;
  return mountFrom === undefined ? scope : `${scope} ${pullScope(mountFrom)}`;
}

/** Returns the scope for deleting from a repository. */
export function deleteScope(repository: string): string {
  return `repository:${repository}:delete,pull`;
}

/** Scope for listing the repositories of a registry. */
export const CATALOG_SCOPE = "registry:catalog:*";

/**
 * Merges scopes of the form `TYPE:NAME:ACTION,…`, so that each resource occurs once: repeated
 * scopes make the URL of a token request too long for some servers (regclient#189).
 */
export function mergeScopes(...scopes: readonly string[]): readonly string[] {
  const actions = new Map<string, Set<string>>();
  for (const scope of scopes.join(" ").split(/\s+/)) {
    if (scope === "") continue;
    // The name may contain colons: a host with a port.
    const colon = scope.lastIndexOf(":");
    const resource = colon < 0 ? scope : scope.slice(0, colon);
    const known = actions.getOrInsertComputed(resource, () => new Set());
    const added = colon < 0 ? [] : scope.slice(colon + 1).split(",");
    for (const action of added) if (action !== "") known.add(action);
  }
  return [...actions].map(([resource, set]) =>
    set.size === 0 ? resource : `${resource}:${[...set].sort().join(",")}`
  ).sort();
}

/** Removes the scopes of repositories from a list that is separated by spaces. */
export function withoutRepositoryScopes(scopes: string): string {
  return scopes.split(/\s+/).filter((scope) => !scope.startsWith("repository:")).join(" ");
}

/** Returns whether any repository scope asks for more than `pull`. */
export function canWrite(scopes: string): boolean {
  return scopes.split(/\s+/).some((scope) => /^repository:.+:.*(?:push|delete)/.test(scope));
}
