import { ACCESS_ACL, DEFAULT_ACL } from "../trees/host_xattrs.ts";
import { mapId, type OwnershipMap } from "./ownership.ts";

/** File capabilities. */
const CAPABILITY = "security.capability";

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

/** An ID in the value of an extended attribute. */
export interface XattrId {
  readonly kind: "user" | "group";
  readonly id: number;
}

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
  { uids, gids }: OwnershipMap,
): Uint8Array | undefined {
  const { bytes, view, fields } = findIds(name, value);
  for (const { kind, at } of fields) {
    const id = mapId(view.getUint32(at, true), kind === "user" ? uids : gids);
    if (id === undefined) return undefined;
    view.setUint32(at, id, true);
  }
  return bytes;
}

/** Returns the IDs in the value of an extended attribute, which {@linkcode mapXattr} maps. */
export function idsInXattr(name: string, value: Uint8Array): readonly XattrId[] {
  const { view, fields } = findIds(name, value);
  return fields.map(({ kind, at }) => ({ kind, id: view.getUint32(at, true) }));
}

interface IdField extends Pick<XattrId, "kind"> {
  /** Position of the ID in the value. */
  readonly at: number;
}

/** A copy of the value of an attribute, and the IDs in it. */
interface IdFields {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly fields: readonly IdField[];
}

function findIds(name: string, value: Uint8Array): IdFields {
  const rooted = name === CAPABILITY ? withRootId(value) : undefined;
  const bytes = rooted ?? value.slice();
  const view = new DataView(bytes.buffer);
  if (rooted !== undefined) return { bytes, view, fields: [{ kind: "user", at: REVISION_2_SIZE }] };
  const isAcl = name === ACCESS_ACL || name === DEFAULT_ACL;
  return { bytes, view, fields: isAcl ? aclFields(view) : [] };
}

function aclFields(view: DataView): IdFields["fields"] {
  const fields: IdField[] = [];
  for (let at = ACL_HEADER_SIZE; at + ACL_ENTRY_SIZE <= view.byteLength; at += ACL_ENTRY_SIZE) {
    const tag = view.getUint16(at, true);
    if (tag === ACL_USER) fields.push({ kind: "user", at: at + 4 });
    if (tag === ACL_GROUP) fields.push({ kind: "group", at: at + 4 });
  }
  return fields;
}

/**
 * Returns file capabilities as their third revision; `undefined` if they are neither of that one
 * nor of the second one: the kernel rejects all others.
 */
function withRootId(value: Uint8Array): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(REVISION_3_SIZE);
  const view = new DataView(bytes.buffer);
  bytes.set(value.subarray(0, REVISION_3_SIZE));
  const magic = view.getUint32(0, true);
  const revision = (magic & REVISION_MASK) >>> 0;
  const isKnown = revision === REVISION_2 && value.length === REVISION_2_SIZE ||
    revision === REVISION_3 && value.length === REVISION_3_SIZE;
  if (!isKnown) return undefined;
  view.setUint32(0, (magic & ~REVISION_MASK | REVISION_3) >>> 0, true);
  return bytes;
}
