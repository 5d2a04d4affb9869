import { isGranted, processUid } from "../../spec/granted.ts";

/**
 * Whether a file belongs to this user or to root. On Windows and without `--allow-sys=uid`, the user
 * is unknown, so every owner is trusted.
 */
export function isTrustedOwner(uid: number | null): boolean {
  const own = processUid();
  return uid === null || own === undefined || uid === own || uid === 0;
}

const GROUP_FILES = ["/etc/group", "/etc/passwd"] as const;

/**
 * Whether users other than its owner may write to a file or directory. The owner's private group
 * does not count: Debian and Fedora create one for each user, and Fedora's umask lets it write.
 */
export function isWritableByOthers({ mode, uid, gid }: Deno.FileInfo): boolean {
  // Windows has no modes.
  if (mode === null) return false;
  if ((mode & 0o002) !== 0) return true;
  return (mode & 0o020) !== 0 && !isPrivateGroup(uid, gid);
}

/**
 * Whether a group is a user's private group: its GID equals the UID, and no other user is listed as
 * a member. Members are checked only if the files can be read.
 */
function isPrivateGroup(uid: number | null, gid: number | null): boolean {
  if (uid === null || uid !== gid) return false;
  const [groups = [], users = []] = GROUP_FILES.map(readLines);
  return !hasOtherMembers(uid, groups, users);
}

/**
 * Whether the group whose GID equals a UID has members other than that user.
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

/** Returns the fields of each line of a file; none if it cannot be read. */
function readLines(path: string): readonly (readonly string[])[] {
  if (!isGranted({ name: "read", path })) return [];
  try {
    return Deno.readTextFileSync(path).split("\n").map((line) => line.split(":"));
  } catch {
    // The file does not exist, as in a minimal container, so only the GID counts.
    return [];
  }
}
