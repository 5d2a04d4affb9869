import { removeBundle } from "../../../store/bundles/remove_bundle.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { storePath } from "../../access/store.ts";
import type { Session } from "../../frame/session.ts";

/** Describes `oci unbundle`. */
export function define(command: Command): Command {
  return command
    .argument("<dir>", "directory of the bundle")
    .description(
      "Unmounts and removes a bundle that the store has a record of, whichever bundler made it, " +
        "and what is left of one that is incomplete. No other directory is touched, whatever is in " +
        "it; neither is what you have mounted yourself.",
    )
    .notes(`
Name the store that the bundle was made with. Stop its container before: files that are still in use
are detached, and go with their last user. Ends the container of an "oci run" that was killed.

Examples:
  oci unbundle ./box
  oci unbundle --json /run/app`);
}

/** Runs `oci unbundle`. */
export async function run(session: Session): Promise<void> {
  const [directory = ""] = session.operands;
  if (directory === "") throw new UsageError("the directory has no name; give one");
  const removed = await removeBundle(storePath(session), directory, { onWarning: session.warn });
  if (!removed) {
    throw new Deno.errors.NotFound(`there is no "${directory}"; check that the path is right`);
  }
  await session.print({ removed: directory }, []);
}
