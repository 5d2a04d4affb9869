import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { IdRange, Ownership } from "../../layer/extraction/ownership.ts";

/** As many ids as every distribution gives to a user in `/etc/subuid`. */
const ENOUGH_IDS = 65_536;

/**
 * To whom the files of bundles belong: to whom the image says, for root; to whoever makes them for
 * everybody else, and for root of a user namespace that lacks the ids that images use.
 *
 * @param directory A directory that this process has made: its owner tells who that is where
 * nobody may be asked.
 */
export async function defaultOwnership(directory: string): Promise<Ownership> {
  if (await processUid(directory) !== 0) return "squash";
  const maps = readIdMaps();
  if (maps === undefined) return "strict";
  const isEnough = [maps.uids, maps.gids].every((ranges) => countIds(ranges) >= ENOUGH_IDS);
  return isEnough ? "strict" : "squash";
}

/** How many ids there are in ranges. */
function countIds(ranges: readonly IdRange[]): number {
  return ranges.reduce((sum, { size }) => sum + size, 0);
}

async function processUid(directory: string): Promise<number | null> {
  const { state } = await Deno.permissions.query({ name: "sys", kind: "uid" });
  return state === "granted" ? Deno.uid() : (await Deno.stat(directory)).uid;
}
