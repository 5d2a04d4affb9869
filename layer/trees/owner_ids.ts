import { nativeError } from "../linux/native_error.ts";

/** The most that an id can be: one more stands for the owner as it is. */
export const MAX_ID = 4_294_967_294;

const EINVAL = 22;

/** Whether a user and a group can have these ids. */
export function areIds(uid: number, gid: number): boolean {
  return uid >= 0 && uid <= MAX_ID && gid >= 0 && gid <= MAX_ID;
}

/** Fails where the system would take the lower bits of an id, or leave an owner as it is. */
export function checkOwner(uid: number, gid: number, path: string): void {
  if (!areIds(uid, gid)) throw nativeError(EINVAL, "chown", path);
}
