import { explainedError } from "../error_facts.ts";
import type { PendingUser, SpecOption } from "../runtime/spec_option.ts";

/**
 * Sets the user of the program, like `--user` of Docker. Names are looked up in the files passed to
 * `withImageConfig()`, after all options have been applied.
 *
 * @param user `USER`, `UID`, `USER:GROUP`, `UID:GID` or mixed; see `resolveUser()`.
 * @returns The option.
 *
 * @example Run as a user by number
 * ```ts
 * import { newSpec, withUser } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withUser("1000:1000")).process.user, { uid: 1000, gid: 1000 });
 * ```
 */
export function withUser(user: string): SpecOption {
  return withPendingUser({ text: user, additionalGids: false });
}

function withPendingUser(user: PendingUser): SpecOption {
  return (spec) => ({ ...spec, pending: { ...spec.pending, user } });
}

/**
 * Sets the user without a group: the groups are those in the files of the image.
 *
 * @param user A name or an ID, without a group.
 * @returns The option.
 * @throws {SyntaxError} If it contains a colon.
 *
 * @example Run as a user with all groups of that user
 * ```ts
 * import { newSpec, withImageConfig, withUserOnly } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const image = {
 *   platform: { os: "linux", architecture: "amd64" },
 *   config: { Cmd: ["/bin/true"] },
 *   diffIds: [],
 *   history: [],
 * };
 * const spec = newSpec(
 *   withImageConfig(image, "app:x:1000:1000::/:", "app:x:1000:\nvideo:x:44:app"),
 *   withUserOnly("app"),
 * );
 *
 * assertEquals(spec.process.user, { uid: 1000, gid: 1000, additionalGids: [44, 1000] });
 * ```
 */
export function withUserOnly(user: string): SpecOption {
  checkPart("user", user);
  return withUser(user);
}

/** Options for {@linkcode withUserAndGroup}. */
export interface UserAndGroupOptions {
  /**
   * Whether the user keeps the supplementary groups in the files of the image.
   *
   * @default {false}
   */
  readonly additionalGids?: boolean;
}

/**
 * Sets the user and the group.
 *
 * @param user A name or an ID.
 * @param group A name or an ID.
 * @param options Whether the user keeps supplementary groups.
 * @returns The option.
 * @throws {SyntaxError} If one of them contains a colon, or the group is empty.
 *
 * @example Keep the supplementary groups
 * ```ts
 * import { newSpec, withImageConfig, withUserAndGroup } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const image = {
 *   platform: { os: "linux", architecture: "amd64" },
 *   config: { Cmd: ["/bin/true"] },
 *   diffIds: [],
 *   history: [],
 * };
 * const spec = newSpec(
 *   withImageConfig(image, "app:x:1000:1000::/:", "video:x:44:app"),
 *   withUserAndGroup("app", "0", { additionalGids: true }),
 * );
 *
 * assertEquals(spec.process.user, { uid: 1000, gid: 0, additionalGids: [0, 44] });
 * ```
 */
export function withUserAndGroup(
  user: string,
  group: string,
  options: UserAndGroupOptions = {},
): SpecOption {
  const { additionalGids = false } = options;
  checkPart("user", user);
  checkPart("group", group);
  return withPendingUser({ text: `${user}:${group}`, additionalGids });
}

function checkPart(kind: string, text: string): void {
  if (text !== "" && !text.includes(":")) return;
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `parse ${kind} ${JSON.stringify(text)}`,
    subject: text,
    problem: "it must be a name or a number",
    option: "user",
  });
}
