import { dirname } from "../../spec/paths.ts";
import { readGrantedEnvironment } from "../configuration/user_file.ts";
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
    ? podmanPaths(env).filter(isFile)
    : [];
  const targets = await Promise.all([...paths, ...others].map(async (path) => {
    const { state } = await Deno.permissions.query({ name: "read", path });
    return state === "granted" ? [path, await followLinks(path)] : [path];
  }));
  return { paths, directories: [...new Set(targets.flat().map((path) => dirname(path)))] };
}

function isFile(path: string): boolean {
  if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return false;
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
