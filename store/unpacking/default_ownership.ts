import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { IdRange, Ownership } from "../../layer/extraction/ownership.ts";
import { processUid } from "../host/owners.ts";

/** Number of IDs that distributions give to each user in `/etc/subuid`. */
export const ENOUGH_IDS = 65_536;

/**
 * Returns the default ownership of the files of bundles: `"strict"` for root, `"squash"` for other
 * users and for root of a user namespace that does not map the IDs that images use.
 *
 * @param directory A directory that this process has created: its owner stands for the user if Deno
 * may not ask for the user's ID.
 */
export async function defaultOwnership(directory: string): Promise<Ownership> {
  const uid = processUid() ?? (await Deno.stat(directory)).uid;
  if (uid !== 0) return "squash";
  const maps = readIdMaps();
  if (maps === undefined) return "strict";
  const isEnough = [maps.uids, maps.gids].every((ranges) => countIds(ranges) >= ENOUGH_IDS);
  return isEnough ? "strict" : "squash";
}

/** Counts the IDs in ranges. */
function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((sum, { size }) => sum + size, 0);
}
