import { nativeError } from "../linux/native_error.ts";

/** Largest ID. The next number tells chown(2) to keep the current owner. */
export const MAX_ID = 4_294_967_294;

const EINVAL = 22;

/** Whether a user ID and a group ID are in range. */
export function areIds(uid: number, gid: number): boolean {
  return uid >= 0 && uid <= MAX_ID && gid >= 0 && gid <= MAX_ID;
}

/** Rejects IDs that the system would truncate or interpret as the current owner. */
export function checkOwner(uid: number, gid: number, path: string): void {
  if (!areIds(uid, gid)) throw nativeError(EINVAL, "chown", path);
}
