import {
  CREDENTIAL_VARIABLES,
  skippedVariables,
} from "../../../registry/credentials/credential_paths.ts";
import {
  eraseCredential,
  eraseCredentials,
} from "../../../registry/credentials/stored_credentials.ts";
import { placesWithCredential } from "../../access/credential_places.ts";
import { readLoginPlace } from "../../access/login_place.ts";
import { defaultHelpers } from "../../access/registries.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("[registry]", "registry, such as ghcr.io or localhost:5000")
    .description(
      "Erases the credential for a registry from the files of docker and podman, and from the " +
        "credential helpers that they and registries.conf name for it. With --authfile or $REGISTRY_AUTH_FILE, changes " +
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
    helpers: await defaultHelpers(session),
    signal: session.signal,
  };
  const place = text === undefined ? undefined : readLoginPlace(text);
  const key = place?.key;
  session.workOn(key ?? "--all");
  const erased = key === undefined
    ? await eraseCredentials(options)
    : await eraseCredential(key, options);
  const left = authfile === undefined ? await placesWithCredential(place) : [];
  const [first] = left;
  if (key !== undefined && erased.length === 0) {
    const skipped = authfile === undefined ? skippedVariables(CREDENTIAL_VARIABLES) : undefined;
    const problem = ["not logged in", skipped].filter((part) => part !== undefined).join("; ");
    throw first === undefined
      ? new CommandError(problem, 'See "oci doctor"', { subject: key })
      : new CommandError(`only ${first} has a credential`, remedyFor(first), { subject: key });
  }
  const what = key === undefined ? "all credentials" : "the credential";
  for (const path of erased) session.note(`erased ${what} in ${path}`);
  for (const path of left) {
    const which = key === undefined ? "credentials" : `a credential for ${key}`;
    session.warn(`${path} still has ${which}. ${remedyFor(path)}`);
  }
  await session.print({ registry: key ?? null, erased }, []);
}

/** Returns how to remove a credential from a place that a logout does not change. */
function remedyFor(path: string): string {
  return path.startsWith("$") ? "Unset the variable" : `Erase it with "--authfile ${path}"`;
}
