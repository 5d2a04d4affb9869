import { explainedError } from "../error_facts.ts";
import { OciError } from "../errors.ts";
import { groupEntries, passwdEntries, type PasswdEntry } from "./accounts.ts";

/** Largest user or group ID that runtimes accept. */
const MAX_USER_ID = 2_147_483_647;

/** User and groups of a container, as IDs. */
export interface ResolvedUser {
  /** User ID. */
  readonly uid: number;
  /** Group ID. */
  readonly gid: number;
  /** Distinct supplementary group IDs in ascending order, including the primary group. */
  readonly additionalGids: readonly number[];
  /** Home directory; `/` if it is unknown. */
  readonly home: string;
}

/** Options for {@linkcode resolveUser}. */
export interface ResolveUserOptions {
  /**
   * Name of the image in errors.
   *
   * @default {"the image"}
   */
  readonly image?: string;
  /**
   * Whether the user keeps the supplementary groups of `/etc/group` if a group is set explicitly.
   *
   * @default {false}
   */
  readonly additionalGids?: boolean;
}

/**
 * Thrown when an image has no user or group with a given name.
 *
 * @example Name the user that an image does not have
 * ```ts
 * import { resolveUser, UnknownUserError } from "@x/oci/spec";
 * import { assertEquals, assertThrows } from "@std/assert";
 *
 * const passwd = "root:x:0:0:root:/root:/bin/sh";
 *
 * const error = assertThrows(() => resolveUser("web", passwd, ""), UnknownUserError);
 *
 * assertEquals([error.kind, error.account], ["user", "web"]);
 * ```
 */
export class UnknownUserError extends OciError {
  /** Kind of the name. */
  readonly kind: "user" | "group";
  /** Unknown name. */
  readonly account: string;

  /** Creates the error; `image` is the name of the image in the message. */
  constructor(kind: "user" | "group", account: string, image: string) {
    const file = kind === "user" ? "/etc/passwd" : "/etc/group";
    super(`it is not in ${file}`, {
      code: "unknown-user",
      action: `find ${kind} ${JSON.stringify(account)} in ${image}`,
      subject: account,
      advice: `Use a ${kind} of the image, or the ID of a ${kind}`,
      option: "user",
    });
    this.kind = kind;
    this.account = account;
  }
}

/**
 * Resolves the user of an image to IDs.
 *
 * Text that consists of digits is always an ID, even if it is a name (CVE-2024-40635,
 * CVE-2026-46680). An ID needs no entry in `/etc/passwd`; its group is then 0. The supplementary
 * groups include the primary group, so that a program cannot drop it (CVE-2022-2989).
 *
 * @param user `USER`, `UID`, `USER:GROUP`, `UID:GID` or mixed; empty means 0.
 * @param passwd Text of the image's `/etc/passwd`; empty if there is none.
 * @param group Text of the image's `/etc/group`; empty if there is none.
 * @param options The image's name, and which supplementary groups the user has.
 * @returns The IDs and the home directory.
 * @throws {UnknownUserError} If there is no user or group with the name.
 * @throws {RangeError} If an ID is above 2147483647.
 * @throws {SyntaxError} If `user` has more than one colon.
 *
 * @example Look up a user of an image
 * ```ts
 * import { resolveUser } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const passwd = "app:x:1000:1000::/home/app:/bin/sh";
 * const group = "app:x:1000:\nvideo:x:44:app";
 *
 * assertEquals(resolveUser("app", passwd, group), {
 *   uid: 1000,
 *   gid: 1000,
 *   additionalGids: [44, 1000],
 *   home: "/home/app",
 * });
 * assertEquals(resolveUser("app:video", passwd, group).additionalGids, []);
 * ```
 */
export function resolveUser(
  user: string,
  passwd: string,
  group: string,
  options: ResolveUserOptions = {},
): ResolvedUser {
  const { image = "the image", additionalGids = false } = options;
  const [userText = "", groupText = "", ...rest] = user.split(":");
  if (rest.length > 0) {
    throw explainedError(SyntaxError, {
      code: "invalid-text",
      action: `parse user ${JSON.stringify(user)} of ${image}`,
      subject: user,
      problem: 'it must be "USER[:GROUP]"',
      option: "user",
    });
  }
  const found = findUser(userText || "0", passwd, image);
  const gid = groupText === "" ? found.gid : findGroup(groupText, group, image);
  const wantsGroups = groupText === "" || additionalGids;
  return {
    uid: checkId(found.uid, "user", image),
    gid: checkId(gid, "group", image),
    additionalGids: wantsGroups ? supplementaryGroups(found.name, gid, group, image) : [],
    home: found.home.startsWith("/") ? found.home : "/",
  };
}

/** A user, which has no name if the ID is not in `/etc/passwd`. */
type FoundUser = Pick<PasswdEntry, "uid" | "gid" | "home"> & { readonly name?: string };

function findUser(text: string, passwd: string, image: string): FoundUser {
  const uid = numericId(text, "user", image);
  const users = passwdEntries(passwd);
  if (uid !== undefined) {
    return users.find((user) => user.uid === uid) ?? { uid, gid: 0, home: "/" };
  }
  const named = users.find((user) => user.name === text);
  if (named === undefined) throw new UnknownUserError("user", text, image);
  return named;
}

function findGroup(text: string, group: string, image: string): number {
  const gid = numericId(text, "group", image) ??
    groupEntries(group).find(({ name }) => name === text)?.gid;
  if (gid === undefined) throw new UnknownUserError("group", text, image);
  return gid;
}

function supplementaryGroups(
  name: string | undefined,
  gid: number,
  group: string,
  image: string,
): readonly number[] {
  const gids = new Set([gid]);
  if (name !== undefined) {
    for (const { gid, members } of groupEntries(group)) {
      if (members.includes(name)) gids.add(checkId(gid, "group", image));
    }
  }
  return [...gids].sort((a, b) => a - b);
}

function numericId(text: string, kind: string, image: string): number | undefined {
  return /^[0-9]+$/.test(text) ? checkId(Number(text), kind, image, text.slice(0, 40)) : undefined;
}

function checkId(id: number, kind: string, image: string, text = String(id)): number {
  if (id <= MAX_USER_ID) return id;
  throw explainedError(RangeError, {
    code: "invalid-argument",
    action: `run ${image} as ${kind} ${text}`,
    subject: text,
    problem: `IDs must be from 0 to ${MAX_USER_ID}`,
    option: "user",
  });
}
