import { errorCode } from "../linux/native_error.ts";
import { areIds, MAX_ID } from "../trees/owner_ids.ts";
import { type ExtractPlace, OwnershipError } from "../errors.ts";
import type { FileTree, TreeEntry } from "../trees/file_tree.ts";

/** A run of identifiers in a container and those on the host that stand for them. */
export interface IdRange {
  /** The first identifier in the container. */
  readonly containerId: number;
  /** The first identifier on the host. */
  readonly hostId: number;
  /** How many there are. */
  readonly size: number;
}

/** Owners are translated, as in a user namespace; one that is in no range is an error. */
export interface OwnershipMap {
  /** Tells it from the other modes. */
  readonly kind: "map";
  /** Users. */
  readonly uids: readonly IdRange[];
  /** Groups. */
  readonly gids: readonly IdRange[];
}

/**
 * To whom extracted files belong.
 *
 * - `"strict"`: to whom the layer says; it is an error if that cannot be.
 * - `"squash"`: to whoever extracts them.
 * - `"record"`: likewise, and the layer's owner is kept in the extended attribute
 *   `user.rootlesscontainers`, as umoci and PRoot know it.
 * - a map: to whom the layer says, translated.
 */
export type Ownership = "strict" | "squash" | "record" | OwnershipMap;

/** Who is to own an entry, as the layer says. */
export interface Owner {
  /** The user. */
  readonly uid: number;
  /** The group. */
  readonly gid: number;
}

/** `"strict"` for root, `"squash"` for everybody else. */
export function inferOwnership(tree: FileTree): Ownership {
  // Without the right to ask, who owns the root tells: it is most often made by this process.
  const uid = processUid() ?? tree.status("")?.uid;
  return uid === 0 ? "strict" : "squash";
}

function processUid(): number | undefined {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "uid" });
  return state === "granted" ? Deno.uid() ?? undefined : undefined;
}

/** The attribute that `"record"` sets. */
export const ROOTLESS_XATTR = "user.rootlesscontainers";

/**
 * Gives an open entry its owner.
 *
 * @throws {OwnershipError} If the owner cannot be set or is in no range.
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
      throw new OwnershipError(place, owner, advice(owner.uid, owner.gid));
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
      `it belongs to ${owner.uid}:${owner.gid}, and ${kind} ${id} is in none of the ranges; ` +
        `add one to "${option}"`,
    );
  }
  try {
    entry.setOwner(uid, gid);
  } catch (cause) {
    const code = errorCode(cause);
    if (code !== "EPERM" && code !== "EINVAL") throw cause;
    throw new OwnershipError(place, owner, advice(uid, gid), { cause });
  }
}

function advice(uid: number, gid: number): string {
  if (!areIds(uid, gid)) {
    return `it belongs to ${uid}:${gid}, and ids are 0 to ${MAX_ID}; choose the ownership "squash"`;
  }
  const size = Math.max(65_536, uid + 1, gid + 1);
  const self = processUid();
  // Root that may not do this is root in a user namespace: who that is outside is not known.
  const user = self === undefined || self === 0 ? "USER" : self;
  return `it belongs to ${uid}:${gid}, which this process may not set; add "${user}:100000:${size}" ` +
    "to /etc/subuid and /etc/subgid and run in a user namespace that has them, or choose the " +
    'ownership "squash" or "record"';
}

function mapId(id: number, ranges: readonly IdRange[]): number | undefined {
  for (const { containerId, hostId, size } of ranges) {
    if (id >= containerId && id - containerId < size) return hostId + (id - containerId);
  }
  return undefined;
}

/**
 * The value of {@linkcode ROOTLESS_XATTR}: a protocol buffer with the user as field 1 and the
 * group as field 2, both `uint32`.
 *
 * See {@link https://github.com/rootless-containers/proto | rootlesscontainers.proto}.
 *
 * @param owner The owner to record.
 * @returns The bytes; none for 0:0, which needs no record.
 */
export function encodeOwner({ uid, gid }: Owner): Uint8Array<ArrayBuffer> {
  if (uid === 0 && gid === 0) return new Uint8Array();
  return new Uint8Array([...field(1, uid || AS_IT_IS), ...field(2, gid || AS_IT_IS)]);
}

/** Stands for an owner that is left as it is. In a container whose root extracts, it is root. */
const AS_IT_IS = 0xffffffff;

function field(number: number, value: number): number[] {
  const bytes = [number << 3];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return [...bytes, rest];
}
