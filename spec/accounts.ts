/** A user, as a line of `/etc/passwd` describes it. */
export interface PasswdEntry {
  /** Login name. */
  readonly name: string;
  /** User id. */
  readonly uid: number;
  /** Id of the primary group. */
  readonly gid: number;
  /** Home directory, or an empty text. */
  readonly home: string;
  /** Login shell, or an empty text. */
  readonly shell: string;
}

/** A group, as a line of `/etc/group` describes it. */
export interface GroupEntry {
  /** Name. */
  readonly name: string;
  /** Group id. */
  readonly gid: number;
  /** Names of the users that belong to it beside those whose primary group it is. */
  readonly members: readonly string[];
}

/**
 * Parses `/etc/passwd`.
 *
 * Lines that are odd are passed over: comments, entries of NIS (`+`), fields that are missing or too
 * many at the end. A line whose numbers are not numbers is passed over whole; nothing is ever
 * taken for 0 that does not say so.
 *
 * @param text The file.
 * @returns The users, in the order of the file.
 *
 * @example Read users
 * ```ts
 * import { parsePasswd } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const [app] = parsePasswd("app:x:1000:1000:,,,:/home/app:/bin/sh\nbad:x:-1:0:::\n");
 *
 * assertEquals(app, { name: "app", uid: 1000, gid: 1000, home: "/home/app", shell: "/bin/sh" });
 * ```
 */
export function parsePasswd(text: string): readonly PasswdEntry[] {
  return parseLines(text).flatMap((fields) => {
    const [name = "", , uidText, gidText, , home = "", shell = ""] = fields;
    const [uid, gid] = [parseId(uidText), parseId(gidText)];
    return uid === undefined || gid === undefined ? [] : [{ name, uid, gid, home, shell }];
  });
}

/**
 * Parses `/etc/group`, as leniently and as strictly as {@linkcode parsePasswd}.
 *
 * @param text The file.
 * @returns The groups, in the order of the file.
 *
 * @example Read groups
 * ```ts
 * import { parseGroup } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parseGroup("wheel:x:10:root,app"), [
 *   { name: "wheel", gid: 10, members: ["root", "app"] },
 * ]);
 * ```
 */
export function parseGroup(text: string): readonly GroupEntry[] {
  return parseLines(text).flatMap((fields) => {
    const [name = "", , gidText, membersText = ""] = fields;
    const gid = parseId(gidText);
    const members = membersText.split(",").map((member) => member.trim()).filter(Boolean);
    return gid === undefined ? [] : [{ name, gid, members }];
  });
}

/** The fields of the lines that name somebody. */
function parseLines(text: string): string[][] {
  return text.split("\n")
    .map((line) => line.trim())
    .filter((line) => !/^[#+:-]/.test(line) && !line.includes("\0"))
    .map((line) => line.split(":"));
}

/** An id as the kernel knows it; -1 is none, neither as such nor in 32 bits. */
function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id < 0xffff_ffff ? id : undefined;
}
