import type { IdMapping } from "./runtime_linux.ts";

/** A range of ids that a user may map into user namespaces. */
export interface SubIdRange {
  /** The first id, outside. */
  readonly start: number;
  /** How many ids there are. */
  readonly count: number;
}

/**
 * Parses `/etc/subuid` or `/etc/subgid`. Lines that are odd are passed over.
 *
 * @param text The file.
 * @param name Whose ranges are wanted.
 * @param uid The id of that user, by which lines may name it as well.
 * @returns The ranges, in the order of the file.
 *
 * @example Read one's ranges
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
 * Maps the root of a container to an ordinary user, and the ids from 1 to the ranges that the user
 * has.
 *
 * @param id The user's own id, outside.
 * @param ranges The user's ranges; without any the container has root alone.
 * @returns The mapping, for {@linkcode withRootless}.
 *
 * @example Root and 65536 others
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
