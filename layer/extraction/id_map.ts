import { NativeMount } from "../linux/native_mount.ts";
import type { IdRange } from "./ownership.ts";

/** The ids that there are in a user namespace, and those of its parent that stand for them. */
export interface IdMaps {
  /** Users. */
  readonly uids: readonly IdRange[];
  /** Groups. */
  readonly gids: readonly IdRange[];
}

/**
 * Reads which ids there are in the user namespace of this process: all on the host, a single one
 * in most namespaces of ordinary users.
 *
 * See {@link https://man7.org/linux/man-pages/man7/user_namespaces.7.html | user_namespaces(7)}.
 *
 * @returns The ids; `undefined` if they cannot be had, as there is no native backend.
 *
 * @example Count the users
 * ```ts
 * import { readIdMaps } from "@x/oci/layer";
 * import { assert } from "@std/assert";
 *
 * const { uids } = readIdMaps() ?? { uids: [] };
 *
 * assert(uids.reduce((sum, { size }) => sum + size, 0) <= 2 ** 32);
 * ```
 */
export function readIdMaps(): IdMaps | undefined {
  using calls = NativeMount.tryOpen();
  if (calls === undefined) return undefined;
  // Deno reads these files for those alone who have every permission.
  const read = (file: string) => parseIdMap(new TextDecoder().decode(calls.readFile(file)));
  return { uids: read("/proc/self/uid_map"), gids: read("/proc/self/gid_map") };
}

/** Parses lines of three numbers: the first id inside, the first outside, how many. */
export function parseIdMap(text: string): readonly IdRange[] {
  return text.split("\n").filter(Boolean).map((line) => {
    const [containerId = 0, hostId = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerId, hostId, size };
  });
}
