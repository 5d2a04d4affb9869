import { mayRead } from "./files.ts";

/** Whether `Deno.uid()` may be called without a permission prompt. */
let mayAsk = false;

/** User ID of this process; `undefined` on Windows or without the permission. */
export function processUid(): number | undefined {
  mayAsk ||= Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";
  return mayAsk ? Deno.uid() ?? undefined : undefined;
}

/**
 * Whether a file can only have been made by this user or by root. Without `--allow-sys=uid`, and on
 * Windows, every owner passes: the owner of the store's directory then stands for the user.
 */
export function isTrustedOwner(uid: number | null): boolean {
  const own = processUid();
  return uid === null || own === undefined || uid === own || uid === 0;
}

const GROUP_FILES = ["/etc/group", "/etc/passwd"] as const;

/**
 * Whether users other than its owner may write to a file or directory. The owner's private group
 * does not count, because Debian and Fedora create one for each user, and the umask of Fedora lets
 * it write.
 */
export function isWritableByOthers({ mode, uid, gid }: Deno.FileInfo): boolean {
  // Windows has no modes.
  if (mode === null) return false;
  if ((mode & 0o002) !== 0) return true;
  return (mode & 0o020) !== 0 && !isPrivateGroup(uid, gid);
}

/**
 * Whether a group is the private group of a user: it has the user's number, and no other member in
 * the files that list members, if they can be read.
 */
function isPrivateGroup(uid: number | null, gid: number | null): boolean {
  if (uid === null || uid !== gid) return false;
  const [groups = [], users = []] = GROUP_FILES.map(readLines);
  return !hasOtherMembers(uid, groups, users);
}

/**
 * Whether the group with the number of a user has members other than the user.
 *
 * @param groups The fields of the lines of `/etc/group`: name, password, GID, members.
 * @param users The fields of the lines of `/etc/passwd`: name, password, UID, GID, and others.
 */
export function hasOtherMembers(
  uid: number,
  groups: readonly (readonly string[])[],
  users: readonly (readonly string[])[],
): boolean {
  const id = String(uid);
  const own = users.find((fields) => fields[2] === id)?.[0];
  const members = groups.filter((fields) => fields[2] === id)
    .flatMap((fields) => fields[3]?.split(",").filter(Boolean) ?? []);
  return members.some((member) => member !== own) ||
    users.some((fields) => fields[3] === id && fields[2] !== id);
}

/** The fields of each line of a file; none if it may not be read. */
function readLines(path: string): readonly (readonly string[])[] {
  if (!mayRead(path)) return [];
  try {
    return Deno.readTextFileSync(path).split("\n").map((line) => line.split(":"));
  } catch {
    // The file does not exist, as in a minimal container: only the number counts.
    return [];
  }
}
