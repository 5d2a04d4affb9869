import { errorCode, unlessThrown } from "../../spec/error_facts.ts";
import { processUid } from "../../spec/granted.ts";
import { type ExtractPlace, OwnershipError } from "../errors.ts";
import type { FileTree, TreeEntry } from "../trees/file_tree.ts";
import { areIds, MAX_ID } from "../trees/owner_ids.ts";

/** A range of IDs in a container, and the corresponding range on the host. */
export interface IdRange {
  /** First ID in the container. */
  readonly containerId: number;
  /** First ID on the host. */
  readonly hostId: number;
  /** Number of IDs. */
  readonly size: number;
}

/**
 * Maps owners as in a user namespace. An owner outside of all ranges is an error. Directories that no
 * layer describes, such as the root of most images, belong to the mapped root.
 */
export interface OwnershipMap {
  /** Discriminant. */
  readonly kind: "map";
  /** User IDs. */
  readonly uids: readonly IdRange[];
  /** Group IDs. */
  readonly gids: readonly IdRange[];
}

/**
 * Owners of extracted files.
 *
 * - `"strict"`: the owner in the layer; fails if it cannot be set.
 * - `"squash"`: the current user.
 * - `"record"`: the current user; the owner in the layer is stored in the extended attribute
 *   `user.rootlesscontainers`, which umoci and PRoot support.
 * - a map: the mapped owner.
 */
export type Ownership = "strict" | "squash" | "record" | OwnershipMap;

/** Owner of an entry in a layer. */
export interface Owner {
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
}

/** Returns `"strict"` for root, `"squash"` for other users. */
export function inferOwnership(tree: FileTree): Ownership {
  // Without permission, use the owner of the root, which this process has usually created.
  const uid = processUid() ?? tree.status("")?.uid;
  return uid === 0 ? "strict" : "squash";
}

/** Attribute that `"record"` sets. */
export const ROOTLESS_XATTR = "user.rootlesscontainers";

/**
 * Sets the owner of an entry.
 *
 * @throws {OwnershipError} If the owner cannot be set or is outside of all ranges.
 */
export function setOwner(
  entry: TreeEntry,
  owner: Owner,
  ownership: Ownership,
  place: ExtractPlace,
): void {
  if (ownership === "squash") return;
  if (ownership === "record") {
    if (!areIds(owner.uid, owner.gid)) {
      throw ownershipError(place, owner);
    }
    return;
  }
  const uid = ownership === "strict" ? owner.uid : mapId(owner.uid, ownership.uids);
  const gid = ownership === "strict" ? owner.gid : mapId(owner.gid, ownership.gids);
  if (uid === undefined || gid === undefined) {
    const [kind, id, option] = uid === undefined
      ? ["user", owner.uid, "uids"]
      : ["group", owner.gid, "gids"];
    throw new OwnershipError(
      place,
      owner,
      `its owner is ${owner.uid}:${owner.gid}, and no range contains ${kind} ${id}`,
      { advice: `Add one to "${option}"`, option },
    );
  }
  try {
    entry.setOwner(uid, gid);
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "EPERM" && code !== "EINVAL") throw cause;
    throw ownershipError(place, { uid, gid }, cause);
  }
}

/**
 * Gives a directory that no layer describes to root, as mapped. Its current owner may stay, since the
 * layers specify none.
 */
export function setImpliedOwner(entry: TreeEntry, path: string, ownership: Ownership): void {
  const set = () => setOwner(entry, { uid: 0, gid: 0 }, ownership, { path, offset: 0 });
  unlessThrown(set, OwnershipError);
}

function ownershipError(place: ExtractPlace, owner: Owner, cause?: unknown): OwnershipError {
  const { uid, gid } = owner;
  const option = "ownership";
  if (!areIds(uid, gid)) {
    const problem = `its owner ${uid}:${gid} is invalid, because the largest ID is ${MAX_ID}`;
    const advice = 'Choose the ownership "squash"';
    return new OwnershipError(place, owner, problem, { advice, option, modes: ["squash"], cause });
  }
  const size = Math.max(65_536, uid + 1, gid + 1);
  const self = processUid();
  // If root lacks this permission, it is root of a user namespace, and the user outside is unknown.
  const user = self === undefined || self === 0 ? "USER" : self;
  const advice = `Choose the ownership "squash" or "record"; or add "${user}:100000:${size}" to ` +
    "/etc/subuid and /etc/subgid, and run in a user namespace with these IDs";
  const problem = `this process may not set its owner ${uid}:${gid}`;
  return new OwnershipError(place, owner, problem, { advice, option, cause });
}

/** Returns the ID on the host; `undefined` if no range contains the ID. */
export function mapId(id: number, ranges: readonly IdRange[]): number | undefined {
  for (const { containerId, hostId, size } of ranges) {
    if (id >= containerId && id - containerId < size) return hostId + (id - containerId);
  }
  return undefined;
}

/**
 * Encodes the value of {@linkcode ROOTLESS_XATTR}: a protocol buffer with the user ID as field 1
 * and the group ID as field 2, both `uint32`.
 *
 * See {@link https://github.com/rootless-containers/proto | rootlesscontainers.proto}.
 *
 * @param owner The owner to record.
 * @returns The bytes; empty for 0:0, which needs no record.
 */
export function encodeOwner({ uid, gid }: Owner): Uint8Array<ArrayBuffer> {
  if (uid === 0 && gid === 0) return new Uint8Array();
  return new Uint8Array([...field(1, uid || NOOP_ID), ...field(2, gid || NOOP_ID)]);
}

/** The protocol's `NoopID`: keeps the owner of the file, which is root in the container. */
const NOOP_ID = 0xffffffff;

function field(number: number, value: number): number[] {
  const bytes = [number << 3];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
