import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { IdRange, Ownership } from "../../layer/extraction/ownership.ts";
import { processUid } from "../../spec/granted.ts";

/** Number of IDs that distributions assign to each user in `/etc/subuid`. */
export const ENOUGH_IDS = 65_536;

/**
 * Returns the default ownership of extracted files: `"strict"` for root, `"squash"` for other users
 * and for root of a user namespace that does not map the IDs that images use.
 *
 * @param directory A directory that this process has created. Without `--allow-sys=uid`, its owner
 * is assumed to be the user.
 */
export async function defaultOwnership(directory: string): Promise<Ownership> {
  const uid = processUid() ?? (await Deno.stat(directory)).uid;
  if (uid !== 0) return "squash";
  const maps = readIdMaps();
  if (maps === undefined) return "strict";
  const countIds = (ranges: readonly IdRange[]) => ranges.reduce((sum, { size }) => sum + size, 0);
  const isEnough = [maps.uids, maps.gids].every((ranges) => countIds(ranges) >= ENOUGH_IDS);
  return isEnough ? "strict" : "squash";
}
