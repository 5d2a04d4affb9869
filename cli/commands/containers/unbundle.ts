import { removeBundle } from "../../../store/bundles/remove_bundle.ts";
import { storePath } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  return command
    .argument("<dir>", "directory of the bundle")
    .description(
      "Unmounts and removes a bundle that the store has a record of, whichever bundler created " +
        "it, or the leftovers of an incomplete bundle. Leaves other directories and your own mounts " +
        "alone.",
    )
    .notes(`
Specify the store that the bundle was created with. Stop its container first: mounts that are still
in use are detached, and unmounted once nothing uses them. Also ends the container of a killed
"oci run".

Examples:
  oci unbundle ./box
  oci unbundle --json /run/app`);
}

export async function run(session: Session): Promise<void> {
  const [directory = ""] = session.operands;
  if (directory === "") throw new UsageError("the directory name is empty", "Specify a directory");
  const removed = await removeBundle(storePath(session), directory, { onWarning: session.warn });
  if (!removed) {
    throw new CommandError(`"${directory}" does not exist`, "Check the path", {
      code: "bundle-unknown",
      subject: directory,
    });
  }
  await session.print({ removed: directory }, []);
}
