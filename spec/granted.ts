/** Returns whether a permission is granted, without prompting for it. */
export function isGranted(need: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(need).state === "granted";
}

/** Whether Deno lets only a process with all permissions read or write an absolute path. */
export function isGuardedPath(path: string): boolean {
  return /^\/(dev|proc|sys)(\/|$)/.test(path);
}

/** Reads an environment variable; returns `undefined` if it is not set or not readable. */
export type EnvironmentReader = (name: string) => string | undefined;

/** Reads an environment variable without prompting for the permission. */
export function readGrantedEnvironment(name: string): string | undefined {
  return isGranted({ name: "env", variable: name }) ? Deno.env.get(name) : undefined;
}

/**
 * Returns the metadata of a path without prompting for the permission; `undefined` if the path does
 * not exist, or this user may not search its directory. Synchronous, which is faster for paths that
 * usually do not exist.
 */
export function statGranted(path: string): Deno.FileInfo | undefined {
  if (!isGranted({ name: "read", path })) return undefined;
  try {
    return Deno.statSync(path);
  } catch {
    return undefined;
  }
}

/** Whether `Deno.uid()` may be called without a permission prompt. */
let mayReadUid = false;

/** User ID of this process; `undefined` on Windows or without the permission. */
export function processUid(): number | undefined {
  mayReadUid ||= isGranted({ name: "sys", kind: "uid" });
  return mayReadUid ? Deno.uid() ?? undefined : undefined;
}

/** Returns the home directory; only Windows has `USERPROFILE`. */
export function homePath(env: EnvironmentReader): string | undefined {
  return env("HOME") || env("USERPROFILE");
}
