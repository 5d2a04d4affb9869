import { removeBundle } from "../../store/bundles/remove_bundle.ts";
import type { Command } from "../frame/command.ts";
import { UsageError } from "../frame/errors.ts";
import type { Session } from "../frame/session.ts";

/** Describes `oci unbundle`. */
export function define(command: Command): Command {
  return command
    .argument("<dir>", "directory of the bundle")
    .description(
      "Unmounts and removes a bundle, whichever bundler made it, and what is left of one whose " +
        "making was interrupted. A directory that is no bundle is not touched.",
    )
    .notes(`
Stop its container before. What is still in use is detached, and goes with its last user. What an
"oci run" that was killed has left running is ended.

Examples:
  oci unbundle ./box
  oci unbundle --json /run/app`);
}

/** Runs `oci unbundle`. */
export async function run(session: Session): Promise<void> {
  const [directory = ""] = session.operands;
  if (directory === "") throw new UsageError("the directory has no name; give one");
  const removed = await removeBundle(directory, { onWarning: session.warn });
  if (!removed) {
    throw new Deno.errors.NotFound(`there is no "${directory}"; check that the path is right`);
  }
  await session.print({ removed: directory }, []);
}
