import { mapId, type OwnershipMap } from "./ownership.ts";

/** File capabilities. */
const CAPABILITY = "security.capability";
const ACL = /^system\.posix_acl_(?:access|default)$/;

/** Revisions of file capabilities, in the first four bytes of the attribute. */
const REVISION_MASK = 0xff000000;
const REVISION_2 = 0x02000000;
const REVISION_3 = 0x03000000;
/** Size of the second revision; the third one adds the user ID of the root of a user namespace. */
const REVISION_2_SIZE = 20;
const REVISION_3_SIZE = 24;

const ACL_HEADER_SIZE = 4;
/** Size of an entry of an access control list: tag, permissions, ID. */
const ACL_ENTRY_SIZE = 8;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;

/**
 * Returns the value of an extended attribute of a file whose owner is mapped, as the kernel would
 * set it in the user namespace: file capabilities count for its root only, not for that of the host.
 *
 * See {@link https://man7.org/linux/man-pages/man7/capabilities.7.html | capabilities(7)}.
 *
 * @returns The value; `undefined` if an ID in it is in no range.
 */
export function mapXattr(
  name: string,
  value: Uint8Array,
  map: OwnershipMap,
): Uint8Array | undefined {
  if (name === CAPABILITY) return mapCapabilities(value, map);
  return ACL.test(name) ? mapAcl(value, map) : value;
}

function mapCapabilities(value: Uint8Array, { uids }: OwnershipMap): Uint8Array | undefined {
  const bytes = new Uint8Array(REVISION_3_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(value.subarray(0, REVISION_3_SIZE));
  const magic = view.getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  const isKnown = revision === REVISION_2 && value.length === REVISION_2_SIZE ||
    revision === REVISION_3 && value.length === REVISION_3_SIZE;
  // The kernel rejects all others.
  if (!isKnown) return value;
  const root = mapId(view.getUint32(REVISION_2_SIZE, true), uids);
  if (root === undefined) return undefined;
  view.setUint32(0, (magic & ~REVISION_MASK | REVISION_3) >>> 0, true);
  view.setUint32(REVISION_2_SIZE, root, true);
  return bytes;
}

function mapAcl(value: Uint8Array, { uids, gids }: OwnershipMap): Uint8Array | undefined {
  const bytes = value.slice();
  const view = new DataView(bytes.buffer);
  for (let at = ACL_HEADER_SIZE; at + ACL_ENTRY_SIZE <= bytes.length; at += ACL_ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    if (tag !== ACL_USER && tag !== ACL_GROUP) continue;
    const id = mapId(view.getUint32(at + 4, true), tag === ACL_USER ? uids : gids);
    if (id === undefined) return undefined;
    view.setUint32(at + 4, id, true);
  }
  return bytes;
}
