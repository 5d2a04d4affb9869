import type { SpecOption } from "./spec_option.ts";

/**
 * Sets who the program runs as, as `--user` of Docker does. Names are looked up, when every option
 * has been applied, in the files that `withImageConfig` was given.
 *
 * @param user `USER`, `UID`, `USER:GROUP`, `UID:GID` or mixed. See `resolveUser` for the meaning.
 * @returns The option.
 *
 * @example A user by number
 * ```ts
 * import { newSpec, withUser } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withUser("1000:1000")).process.user, { uid: 1000, gid: 1000 });
 * ```
 */
export function withUser(user: string): SpecOption {
  return (spec) => ({
    ...spec,
    pending: { ...spec.pending, user: { text: user, additionalGids: false } },
  });
}

/**
 * Sets the user alone: its groups are those that the image's files give it.
 *
 * @param user A name or a number, without a group.
 * @returns The option.
 * @throws {SyntaxError} If there is a colon in it.
 */
export function withUserOnly(user: string): SpecOption {
  checkPart("user", user);
  return withUser(user);
}

/** Options for {@linkcode withUserAndGroup}. */
export interface UserAndGroupOptions {
  /**
   * Whether the user keeps the further groups that the image's files give it.
   *
   * @default {false}
   */
  readonly additionalGids?: boolean;
}

/**
 * Sets the user and the group.
 *
 * @param user A name or a number.
 * @param group A name or a number.
 * @returns The option.
 * @throws {SyntaxError} If there is a colon in one of them, or the group is empty.
 *
 * @example Keep the further groups
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
  return (spec) => ({
    ...spec,
    pending: { ...spec.pending, user: { text: `${user}:${group}`, additionalGids } },
  });
}

function checkPart(kind: string, text: string): void {
  if (text !== "" && !text.includes(":")) return;
  throw new SyntaxError(
    `Cannot parse ${kind} ${JSON.stringify(text)}: it must be a name or a number`,
  );
}
