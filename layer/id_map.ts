import { NativeMount } from "./_native_mount.ts";

/** How many ids there are in the user namespace of this process. */
export interface MappedIds {
  /** How many users. */
  readonly uids: number;
  /** How many groups. */
  readonly gids: number;
}

/**
 * Counts the ids that there are in the user namespace of this process: 4 294 967 295 on the host,
 * 1 in most namespaces of ordinary users.
 *
 * See {@link https://man7.org/linux/man-pages/man7/user_namespaces.7.html | user_namespaces(7)}.
 *
 * @returns The numbers; `undefined` if they cannot be had without further permissions.
 */
export function countMappedIds(): MappedIds | undefined {
  using calls = NativeMount.tryOpen();
  if (calls === undefined) return undefined;
  const count = (file: string) => countIds(new TextDecoder().decode(calls.readFile(file)));
  return { uids: count("/proc/self/uid_map"), gids: count("/proc/self/gid_map") };
}

/** The sum of the third numbers of the lines: first id inside, first id outside, how many. */
function countIds(text: string): number {
  return text.split("\n").map((line) => Number(line.trim().split(/\s+/)[2] ?? 0))
    .reduce((sum, count) => sum + count, 0);
}
