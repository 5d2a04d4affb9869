/** Reads an environment variable; `undefined` also if it may not be read. */
export type EnvironmentReader = (name: string) => string | undefined;

/** Reads the environment without ever prompting for a permission. */
export function readGrantedEnvironment(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return state === "granted" ? Deno.env.get(name) : undefined;
}

/**
 * The files that may hold credentials, in the order in which they count: that of
 * `REGISTRY_AUTH_FILE`, docker's, and podman's two.
 */
export function credentialPaths(env: EnvironmentReader): readonly string[] {
  const home = env("HOME") || env("USERPROFILE");
  const docker = env("DOCKER_CONFIG") || (home && `${home}/.docker`);
  const runtime = env("XDG_RUNTIME_DIR");
  const config = env("XDG_CONFIG_HOME") || (home && `${home}/.config`);
  const paths = [
    env("REGISTRY_AUTH_FILE"),
    docker && `${docker}/config.json`,
    runtime && `${runtime}/containers/auth.json`,
    config && `${config}/containers/auth.json`,
  ];
  return [...new Set(paths.filter((path) => path !== undefined && path !== ""))] as string[];
}
