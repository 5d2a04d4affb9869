import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { IdRange } from "../../layer/extraction/ownership.ts";
import { parsePasswd } from "../../spec/options/accounts.ts";
import type { RootlessOptions } from "../../spec/options/rootless_option.ts";
import type { IdMapping } from "../../spec/runtime/runtime_linux.ts";
import { findProgram } from "../host/find_runtime.ts";

/** Number of IDs on the host. */
const ALL_IDS = 4_294_967_295;

/**
 * Returns whether containers must be rootless: this process is not root, or only root of a user
 * namespace.
 *
 * @returns Whether `withRootless` is needed.
 *
 * @example Make a container that this user can run
 * ```ts
 * import { newSpec, withRootless } from "@x/oci/spec";
 * import { isRootlessNeeded, readRootlessMaps } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const isRootless = isRootlessNeeded();
 * const spec = newSpec(...isRootless ? [withRootless(await readRootlessMaps())] : []);
 *
 * assertEquals(spec.linux?.uidMappings !== undefined, isRootless);
 * ```
 */
export function isRootlessNeeded(): boolean {
  if (Deno.uid() !== 0) return Deno.build.os === "linux";
  const [first] = readIdMaps()?.uids ?? [];
  return first !== undefined && first.size < ALL_IDS;
}

/**
 * Returns the IDs for containers of this user: its own ID as root, followed by those that
 * `/etc/subuid` and `/etc/subgid` assign to it if `newuidmap` and `newgidmap` are installed. In a
 * user namespace, these are the IDs of the namespace.
 *
 * @returns Options for `withRootless`.
 *
 * @example Root in the container, oneself outside
 * ```ts
 * import { readRootlessMaps } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { uidMap } = await readRootlessMaps();
 *
 * assertEquals(uidMap[0]?.containerID, 0);
 * assertEquals(uidMap[0]?.hostID, Deno.uid());
 * ```
 */
export async function readRootlessMaps(): Promise<RootlessOptions> {
  const [uid, gid] = [Deno.uid() ?? 0, Deno.gid() ?? 0];
  const maps = uid === 0 && isRootlessNeeded() ? readIdMaps() : undefined;
  if (maps !== undefined) {
    return { uidMap: maps.uids.map(sameIds), gidMap: maps.gids.map(sameIds) };
  }
  const own = { uidMap: [one(uid)], gidMap: [one(gid)] };
  const tools = await Promise.all(["newuidmap", "newgidmap"].map(findProgram));
  if (tools.includes(undefined)) return own;
  const name = parsePasswd(await readText("/etc/passwd")).find((user) => user.uid === uid)?.name;
  const owners = new Set([String(uid), ...name === undefined ? [] : [name]]);
  const uids = parseRanges(await readText("/etc/subuid"), owners);
  // The file of groups lists users as well.
  const gids = parseRanges(await readText("/etc/subgid"), owners);
  if (uids.length === 0 || gids.length === 0) return own;
  return { uidMap: [one(uid), ...uids], gidMap: [one(gid), ...gids] };
}

function sameIds({ containerId, size }: IdRange): IdMapping {
  return { containerID: containerId, hostID: containerId, size };
}

function one(hostID: number): IdMapping {
  return { containerID: 0, hostID, size: 1 };
}

/** Returns the ranges of some owners in lines `OWNER:FIRST:COUNT`, mapped in a row from 1. */
function parseRanges(text: string, owners: ReadonlySet<string>): readonly IdMapping[] {
  let containerID = 1;
  return text.split("\n").flatMap((line) => {
    const [owner = "", first = "", count = ""] = line.trim().split(":");
    const isRange = /^[0-9]+$/.test(first) && /^[1-9][0-9]*$/.test(count);
    if (!owners.has(owner) || !isRange) return [];
    const range = { containerID, hostID: Number(first), size: Number(count) };
    containerID += range.size;
    return [range];
  });
}

async function readText(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}
