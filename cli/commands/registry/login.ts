import { loginOf, TOKEN_USER } from "../../../registry/credentials.ts";
import { CredentialFiles } from "../../../registry/credentials/credential_files.ts";
import { saveCredential } from "../../../registry/credentials/stored_credentials.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { placesWithCredential } from "../../access/credential_places.ts";
import { type LoginPlace, readLoginPlace } from "../../access/login_place.ts";
import { defaultHelpers } from "../../access/registries.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addLoginOptions, type RegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

interface LoginOptions extends RegistryOptions {
  readonly get?: true;
}

export function define(command: Command): Command {
  const described = command
    .argument("<registry>", "registry, such as ghcr.io or localhost:5000")
    .description(
      "Checks a credential against a registry and stores it where docker and podman find it: in " +
        "the credential helper named by the credential file, otherwise in the file, with mode 0600. " +
        "The file is --authfile, $REGISTRY_AUTH_FILE or docker's config.json, in this order. A file " +
        "that is not valid JSON is left alone. An older credential for the registry in podman's " +
        "own files is erased. Without --authfile, credential-helpers in registries.conf apply as " +
        "with podman.",
    )
    .option("--get", "print the user name of the stored credential without checking it")
    .trait("writes-credentials");
  return addLoginOptions(described).notes(`
Examples:
  oci login ghcr.io
  oci login --user ci --password-stdin registry.example < token
  oci login --get ghcr.io
  oci login --authfile ./auth.json localhost:5000`);
}

export async function run(session: Session): Promise<void> {
  const { get, authfile } = session.options<LoginOptions>();
  const place = readLoginPlace(session.operands[0] ?? "");
  session.workOn(place.key);
  if (get) return await printLogin(session, place);
  const auth = await readAuth(session, place.key);
  if (auth === undefined) throw new UsageError("the user name is missing", 'Specify "--user NAME"');
  const { signal } = session;
  // The file need not exist yet, and only the given credential is checked.
  using client = await openClient(session, { credentials: "none" });
  const isChecked = await client.checkCredential(place.registry, auth, { signal });
  if (!isChecked) {
    session.warn(`${place.registry} requires no login, so the credential was not checked`);
  }
  const { path, helper, replaced, shadowedBy } = await saveCredential(place.key, auth, {
    path: authfile,
    helpers: await defaultHelpers(session),
    signal,
  });
  session.note(
    `stored the credential ${helper === undefined ? "" : `with ${helper}, named `}in ${path}`,
  );
  for (const other of replaced) {
    session.note(`erased the older credential in ${other}, which podman would use instead`);
  }
  // The variable precedes docker's file, and nothing precedes another file.
  const preceding = authfile === undefined ? await placesWithCredential(place, path) : [];
  for (const other of preceding) {
    session.warn(`the credential in ${other} is used instead. Unset the variable to change that`);
  }
  for (const other of shadowedBy) {
    session.warn(`podman uses the older credential in ${other}: cannot change that file`);
  }
  await session.print({
    registry: place.key,
    username: loginOf(auth)?.username ?? null,
    checked: isChecked,
    path,
    helper: helper ?? null,
  }, []);
}

async function printLogin(session: Session, { key, registry, namespace }: LoginPlace) {
  const { authfile } = session.options<LoginOptions>();
  const files = new CredentialFiles({
    paths: authfile === undefined ? undefined : [authfile],
    helpers: await defaultHelpers(session),
  });
  const found = await files.find(
    { registry, repository: namespace },
    { signal: session.signal, onWarning: session.warn, onSkipped: session.warn },
  );
  if (found === undefined) {
    throw new CommandError(
      `cannot find a credential for "${key}": not logged in`,
      `Log in with "oci login ${key}"`,
      { subject: key },
    );
  }
  const username = loginOf(found.auth)?.username ?? TOKEN_USER;
  await session.print({ registry: key, username, source: found.source }, [username]);
}
