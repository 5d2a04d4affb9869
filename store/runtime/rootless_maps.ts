import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { IdRange } from "../../layer/extraction/ownership.ts";
import { parsePasswd } from "../../spec/options/accounts.ts";
import type { RootlessOptions } from "../../spec/options/user_namespace_options.ts";
import type { IdMapping } from "../../spec/runtime/runtime_linux.ts";
import { parseSubIds, rootlessMap } from "../../spec/runtime/sub_ids.ts";
import { ifAny } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";

/** Number of IDs on the host. */
const ALL_IDS = 4_294_967_295;

/**
 * Returns whether containers must be rootless: whether this process is not root, or is root only in
 * a user namespace.
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
 * @example Map this user to root in the container
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
export function readRootlessMaps(): Promise<RootlessOptions> {
  return Promise.try(findRootlessMaps);
}

/** Files that say which IDs a user may map. */
export const ID_FILES = ["/etc/passwd", "/etc/subuid", "/etc/subgid"] as const;

function findRootlessMaps(): RootlessOptions {
  const [uid, gid] = [Deno.uid() ?? 0, Deno.gid() ?? 0];
  const maps = uid === 0 && isRootlessNeeded() ? readIdMaps() : undefined;
  if (maps !== undefined) {
    return { uidMap: maps.uids.map(sameIds), gidMap: maps.gids.map(sameIds) };
  }
  const own = { uidMap: rootlessMap(uid, []), gidMap: rootlessMap(gid, []) };
  if (["newuidmap", "newgidmap"].some((tool) => findProgram(tool) === undefined)) return own;
  const [passwd, subuid, subgid] = ID_FILES;
  const name = parsePasswd(readText(passwd)).find((user) => user.uid === uid)?.name ?? String(uid);
  const uids = parseSubIds(readText(subuid), name, uid);
  // Lines of /etc/subgid begin with the name of a user as well.
  const gids = parseSubIds(readText(subgid), name, uid);
  if (uids.length === 0 || gids.length === 0) return own;
  return { uidMap: rootlessMap(uid, uids), gidMap: rootlessMap(gid, gids) };
}

function sameIds({ containerId, size }: IdRange): IdMapping {
  return { containerID: containerId, hostID: containerId, size };
}

function readText(path: string): string {
  return ifAny(() => Deno.readTextFileSync(path)) ?? "";
}
