import { eraseCredential, eraseCredentials } from "../../../registry/auth/stored_credentials.ts";
import { readLoginPlace } from "../../access/login_place.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("[registry]", "registry, such as ghcr.io or localhost:5000")
    .description(
      "Erases the credential for a registry from the files of docker and podman, and from the " +
        "credential helpers that they name for it. With --authfile or $REGISTRY_AUTH_FILE, changes " +
        "only that file and its helpers.",
    )
    .option("--all", "erase the credentials for every registry")
    .trait("writes-credentials");
  return addOptions(described, ["authfile"]).notes(`
Examples:
  oci logout ghcr.io
  oci logout --all
  oci logout --authfile ./auth.json localhost:5000`);
}

export async function run(session: Session): Promise<void> {
  const { all, authfile } = session.options<{ all?: true; authfile?: string }>();
  const [text] = session.operands;
  if (text !== undefined && all) {
    throw new UsageError('a registry and "--all" cannot be combined', "Leave out one of them");
  }
  if (text === undefined && !all) {
    throw new UsageError("the registry is missing", 'Specify a registry, or "--all"');
  }
  const options = {
    paths: authfile === undefined ? undefined : [authfile],
    signal: session.signal,
  };
  const key = text === undefined ? undefined : readLoginPlace(text).key;
  session.workOn(key ?? "--all");
  const erased = key === undefined
    ? await eraseCredentials(options)
    : await eraseCredential(key, options);
  if (key !== undefined && erased.length === 0) {
    throw new CommandError("not logged in", 'See "oci doctor"', { subject: key });
  }
  const what = key === undefined ? "all credentials" : "the credential";
  for (const place of erased) session.note(`erased ${what} in ${place}`);
  await session.print({ registry: key ?? null, erased }, []);
}
