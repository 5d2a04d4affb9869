import { dirname } from "../../spec/paths.ts";
import { isGranted, readGrantedEnvironment, statGranted } from "../configuration/user_file.ts";
import { loginPath, logoutPaths, podmanPaths } from "./_credential_paths.ts";
import { followLinks } from "./follow_links.ts";

/** Files that a login or logout changes, with their directories. */
export interface LoginFiles {
  /** Credential files. */
  readonly paths: readonly string[];
  /** Their directories, including those of link targets. */
  readonly directories: readonly string[];
}

/** Finds the files that a login or logout changes, as far as permissions allow. */
export async function findLoginFiles(
  change: "login" | "logout",
  authfile: string | undefined,
): Promise<LoginFiles> {
  const env = readGrantedEnvironment;
  const paths = authfile === undefined
    ? change === "logout" ? logoutPaths(env) : [loginPath(env)].filter((path) => path !== undefined)
    : [authfile];
  // A login erases older credentials from the files that podman searches first.
  const others = change === "login" && authfile === undefined
    ? podmanPaths(env).filter((path) => statGranted(path)?.isFile)
    : [];
  const targets = await Promise.all([...paths, ...others].map(async (path) => {
    return isGranted({ name: "read", path }) ? [path, await followLinks(path)] : [path];
  }));
  return { paths, directories: [...new Set(targets.flat().map((path) => dirname(path)))] };
}
