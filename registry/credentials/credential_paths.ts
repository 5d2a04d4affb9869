import {
  type EnvironmentReader,
  homePath,
  isGranted,
  processUid,
  readGrantedEnvironment,
  statGranted,
} from "../../spec/granted.ts";
import type { DefaultCredentialHelpers } from "../registry_rule.ts";

/** Start of the path where podman keeps logins without `XDG_RUNTIME_DIR`. */
export const RUN_CONTAINERS = "/run/containers/";

/** Variable with the text of a credential file, which docker searches before its file. */
export const CREDENTIALS_VARIABLE = "DOCKER_AUTH_CONFIG";

/** Variables with credentials, or the place of credential files. */
export const CREDENTIAL_VARIABLES: readonly string[] = [
  "REGISTRY_AUTH_FILE",
  CREDENTIALS_VARIABLE,
  "DOCKER_CONFIG",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "HOME",
  "USERPROFILE",
];

/** Name that stands for the credential files among the helpers in `registries.conf`. */
export const FILES_HELPER = "containers-auth.json";

/** Returns the program of a credential helper. */
export function helperProgram(name: string): string {
  return `docker-credential-${name}`;
}

/**
 * Returns the helpers for all registries in order of precedence, with {@linkcode FILES_HELPER} for
 * the credential files.
 */
export function helperOrder(helpers: DefaultCredentialHelpers | undefined): readonly string[] {
  return helpers === undefined || helpers.names.length === 0 ? [FILES_HELPER] : helpers.names;
}

/** Returns the file that a login writes: `REGISTRY_AUTH_FILE`, or else docker's. */
export function loginPath(): string | undefined {
  return readGrantedEnvironment("REGISTRY_AUTH_FILE") || dockerPath(readGrantedEnvironment);
}

/**
 * Returns podman's own files, which it searches before the one that a login writes; none with
 * `REGISTRY_AUTH_FILE`.
 */
export function podmanPaths(): readonly string[] {
  const own = loginPath();
  return logoutPaths().filter((path) => path !== own);
}

/** Returns the files that a logout changes: `REGISTRY_AUTH_FILE`, or else docker's and podman's. */
export function logoutPaths(): readonly string[] {
  const only = readGrantedEnvironment("REGISTRY_AUTH_FILE");
  return only ? [only] : credentialPaths(readGrantedEnvironment);
}

/**
 * Returns the files that may hold credentials, in order of precedence: `REGISTRY_AUTH_FILE`,
 * docker's, and podman's two.
 */
export function credentialPaths(env: EnvironmentReader): readonly string[] {
  const home = homePath(env);
  const runtime = env("XDG_RUNTIME_DIR");
  const config = env("XDG_CONFIG_HOME") || (home && `${home}/.config`);
  const paths = [
    env("REGISTRY_AUTH_FILE"),
    dockerPath(env),
    runtime ? `${runtime}/containers/auth.json` : runtimePath(),
    config && `${config}/containers/auth.json`,
  ];
  return [...new Set(paths.filter((path) => path !== undefined && path !== ""))] as string[];
}

/** Describes the variables that this process has no permission to read, if there are any. */
export function skippedVariables(variables: readonly string[]): string | undefined {
  const names = variables.filter((variable) => {
    return !isGranted({ name: "env", variable }) &&
      (variable !== "USERPROFILE" || !readGrantedEnvironment("HOME"));
  });
  if (names.length === 0) return undefined;
  return `environment variables were skipped because they need --allow-env=${names.join(",")}`;
}

/** Returns the position of the text in {@linkcode CREDENTIALS_VARIABLE} among the files. */
export function variablePosition(env: EnvironmentReader): number {
  return env("REGISTRY_AUTH_FILE") ? 1 : 0;
}

/**
 * Returns the existing file where podman keeps logins without `XDG_RUNTIME_DIR`, as far as
 * permissions allow: a prompt in the middle of a lookup would not help.
 */
function runtimePath(): string | undefined {
  if (Deno.build.os !== "linux") return undefined;
  const uid = processUid();
  if (uid === undefined) return undefined;
  const path = `${RUN_CONTAINERS}${uid}/auth.json`;
  return statGranted(path)?.isFile ? path : undefined;
}

function dockerPath(env: EnvironmentReader): string | undefined {
  const home = homePath(env);
  const directory = env("DOCKER_CONFIG") || (home && `${home}/.docker`);
  return directory ? `${directory}/config.json` : undefined;
}
