import { runProgram } from "../host/run_program.ts";

/** Whether this process can create user namespaces, or the reason why not. */
export type UserNamespaceSupport =
  | { readonly supported: true }
  | { readonly supported: false; readonly reason: string };

/**
 * Tests whether this process can create user namespaces, which an ordinary user needs to run
 * containers. Calls `unshare` of util-linux, because several kernel settings, AppArmor and
 * sandboxes can prevent it.
 *
 * @returns Whether it can, or the reason why not.
 *
 * @example Find out whether rootless containers work
 * ```ts
 * import { userNamespacesSupported } from "@x/oci/store";
 * import { assert } from "@std/assert";
 *
 * const support = await userNamespacesSupported();
 *
 * assert(support.supported || support.reason.length > 0);
 * ```
 */
export async function userNamespacesSupported(): Promise<UserNamespaceSupport> {
  if (Deno.build.os !== "linux") return refused("user namespaces are part of Linux");
  try {
    const { success, lastLine } = await runProgram("unshare", ["-Ur", "true"]);
    if (success) return { supported: true };
    return refused(`unshare says: ${lastLine.replace(/^unshare: /, "")}`);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return refused("the test requires unshare of util-linux, which is not installed");
  }
}

function refused(reason: string): UserNamespaceSupport {
  return { supported: false, reason };
}
