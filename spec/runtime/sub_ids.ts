import type { IdMapping } from "./runtime_linux.ts";

/** A range of IDs that a user may map into user namespaces. */
export interface SubIdRange {
  /** First ID on the host. */
  readonly start: number;
  /** Number of IDs. */
  readonly count: number;
}

/**
 * Parses `/etc/subuid` or `/etc/subgid`. Skips invalid lines.
 *
 * @param text Content of the file.
 * @param name Name of the user.
 * @param uid ID of the user, which lines may contain instead of the name.
 * @returns The ranges, in the order of the file.
 *
 * @example Read the subordinate IDs of a user
 * ```ts
 * import { parseSubIds } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "root:100000:65536\napp:165536:65536\n1000:300000:10\n";
 *
 * assertEquals(parseSubIds(text, "app", 1000), [
 *   { start: 165536, count: 65536 },
 *   { start: 300000, count: 10 },
 * ]);
 * ```
 */
export function parseSubIds(text: string, name: string, uid: number): readonly SubIdRange[] {
  return text.split("\n").flatMap((line) => {
    const [owner, startText = "", countText = ""] = line.trim().split(":");
    if (owner !== name && owner !== String(uid)) return [];
    if (![startText, countText].every((field) => /^[0-9]{1,10}$/.test(field))) return [];
    const [start, count] = [Number(startText), Number(countText)];
    return count > 0 && start + count <= 2 ** 32 ? [{ start, count }] : [];
  });
}

/**
 * Maps the root of a container to an unprivileged user, and IDs from 1 to the ranges of the user.
 *
 * @param id ID of the user on the host.
 * @param ranges Ranges of the user; if empty, the container only has root.
 * @returns The mapping, for {@linkcode withRootless}.
 *
 * @example Map root and 65536 other users to an unprivileged user
 * ```ts
 * import { rootlessMap } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(rootlessMap(1000, [{ start: 165536, count: 65536 }]), [
 *   { containerID: 0, hostID: 1000, size: 1 },
 *   { containerID: 1, hostID: 165536, size: 65536 },
 * ]);
 * ```
 */
export function rootlessMap(id: number, ranges: readonly SubIdRange[]): readonly IdMapping[] {
  let containerID = 1;
  return [
    { containerID: 0, hostID: id, size: 1 },
    ...ranges.map(({ start, count }) => {
      const mapping = { containerID, hostID: start, size: count };
      containerID += count;
      return mapping;
    }),
  ];
}
