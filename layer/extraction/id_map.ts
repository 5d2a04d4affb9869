import { NativeMount } from "../linux/native_mount.ts";
import type { IdRange, OwnershipMap } from "./ownership.ts";

/**
 * Reads the ID mappings of the user namespace of this process: all IDs on the host, a single one in
 * most namespaces of unprivileged users.
 *
 * See {@link https://man7.org/linux/man-pages/man7/user_namespaces.7.html | user_namespaces(7)}.
 *
 * @returns The mappings; `undefined` if the native backend is not available.
 */
export function readIdMaps(): Omit<OwnershipMap, "kind"> | undefined {
  using calls = NativeMount.tryOpen();
  if (calls === undefined) return undefined;
  // Deno requires all permissions to read these files.
  const read = (file: string) => parseIdMap(new TextDecoder().decode(calls.readFile(file)));
  return { uids: read("/proc/self/uid_map"), gids: read("/proc/self/gid_map") };
}

/** Parses lines of three numbers: the first ID inside, the first ID outside, the size. */
export function parseIdMap(text: string): readonly IdRange[] {
  return text.split("\n").filter(Boolean).map((line) => {
    const [containerId = 0, hostId = 0, size = 0] = line.trim().split(/\s+/).map(Number);
    return { containerId, hostId, size };
  });
}

/** Formats ranges as the content of such a file. */
export function formatIdMap(ranges: readonly IdRange[]): string {
  return ranges.map(({ containerId, hostId, size }) => `${containerId} ${hostId} ${size}\n`)
    .join("");
}
