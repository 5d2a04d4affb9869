/** Reads an environment variable; `undefined` also if it may not be read. */
export type EnvironmentReader = (name: string) => string | undefined;

/** Reads the environment without ever prompting for a permission. */
export function readGrantedEnvironment(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/** The file that a login writes: that of `REGISTRY_AUTH_FILE`, else docker's. */
export function loginPath(env: EnvironmentReader): string | undefined {
  return env("REGISTRY_AUTH_FILE") || dockerPath(env);
}

/** The files that a logout changes: that of `REGISTRY_AUTH_FILE`, else docker's and podman's. */
export function logoutPaths(env: EnvironmentReader): readonly string[] {
  const only = env("REGISTRY_AUTH_FILE");
  return only ? [only] : credentialPaths(env);
}

/**
 * The files that may hold credentials, in the order in which they count: that of
 * `REGISTRY_AUTH_FILE`, docker's, and podman's two.
 */
export function credentialPaths(env: EnvironmentReader): readonly string[] {
  const home = homePath(env);
  const runtime = env("XDG_RUNTIME_DIR");
  const config = env("XDG_CONFIG_HOME") || (home && `${home}/.config`);
  const paths = [
    env("REGISTRY_AUTH_FILE"),
    dockerPath(env),
    runtime && `${runtime}/containers/auth.json`,
    config && `${config}/containers/auth.json`,
  ];
  return [...new Set(paths.filter((path) => path !== undefined && path !== ""))] as string[];
}

function dockerPath(env: EnvironmentReader): string | undefined {
  const home = homePath(env);
  const directory = env("DOCKER_CONFIG") || (home && `${home}/.docker`);
  return directory ? `${directory}/config.json` : undefined;
}

function homePath(env: EnvironmentReader): string | undefined {
  return env("HOME") || env("USERPROFILE");
}
