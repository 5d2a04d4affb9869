/** An entry of `/etc/passwd`. */
export interface PasswdEntry {
  /** Login name. */
  readonly name: string;
  /** User ID. */
  readonly uid: number;
  /** ID of the primary group. */
  readonly gid: number;
  /** Home directory, or an empty string. */
  readonly home: string;
  /** Login shell, or an empty string. */
  readonly shell: string;
}

/** An entry of `/etc/group`. */
export interface GroupEntry {
  /** Name. */
  readonly name: string;
  /** Group ID. */
  readonly gid: number;
  /** Names of its members, except those whose primary group it is. */
  readonly members: readonly string[];
}

/**
 * Parses `/etc/passwd`.
 *
 * Skips comments, NIS entries (`+`) and lines with missing fields or invalid numbers. An invalid
 * number is never read as 0.
 *
 * @param text Content of the file.
 * @returns The users, in the order of the file.
 *
 * @example Read the users of an image
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
  return [...passwdEntries(text)];
}

/** Yields the entries of {@linkcode parsePasswd}, all of which take far more memory than the text. */
export function* passwdEntries(text: string): Generator<PasswdEntry, void, void> {
  for (const [name = "", , uidText, gidText, , home = "", shell = ""] of parseLines(text)) {
    const [uid, gid] = [parseId(uidText), parseId(gidText)];
    if (uid !== undefined && gid !== undefined) yield { name, uid, gid, home, shell };
  }
}

/**
 * Parses `/etc/group`, with the rules of {@linkcode parsePasswd}.
 *
 * @param text Content of the file.
 * @returns The groups, in the order of the file.
 *
 * @example Read the groups of an image
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
  return [...groupEntries(text)];
}

/** Yields the entries of {@linkcode parseGroup}, as {@linkcode passwdEntries} does. */
export function* groupEntries(text: string): Generator<GroupEntry, void, void> {
  for (const [name = "", , gidText, membersText = ""] of parseLines(text)) {
    const gid = parseId(gidText);
    if (gid === undefined) continue;
    const members = membersText.split(",").map((member) => member.trim()).filter(Boolean);
    yield { name, gid, members };
  }
}

/** Splits the lines that have a name into fields. */
function* parseLines(text: string): Generator<readonly string[], void, void> {
  for (const [found] of text.matchAll(/[^\n]+/g)) {
    const line = found.trim();
    if (!/^[#+:-]/.test(line) && !line.includes("\0")) yield line.split(":");
  }
}

/** Parses an ID. -1 is invalid, also as an unsigned 32-bit number. */
function parseId(text: string | undefined): number | undefined {
  if (text === undefined || !/^[0-9]{1,10}$/.test(text)) return undefined;
  const id = Number(text);
  return id < 0xffff_ffff ? id : undefined;
}
