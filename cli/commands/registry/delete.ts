import { formatReference } from "../../../registry/reference.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { confirm } from "../../access/password.ts";
import { isRepository, readReference } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "tag or digest in a registry")
    .option("-y, --yes", "delete without asking")
    .description(
      "Deletes NAME:TAG or NAME@DIGEST in the registry. NAME:TAG deletes only that tag, and fails " +
        "if the registry cannot delete tags. NAME@DIGEST deletes the manifest and all of its tags. " +
        "The registry frees the blobs during garbage collection.",
    );
  return addRegistryOptions(described, { features: [] }).notes(`
Asks for confirmation on a terminal; elsewhere, requires --yes. Does not change the store on this
machine; for that, use "oci rm".

Examples:
  oci delete localhost:5000/app:old
  oci delete --yes localhost:5000/app@sha256:…`);
}

export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const reference = readReference(text);
  // Never delete "latest" by default.
  if (isRepository(text)) {
    throw new UsageError(
      `"${text}" has no tag and no digest`,
      `Write "${text}:TAG" or "${text}@DIGEST"`,
    );
  }
  const { digest, tag } = reference;
  const name = formatReference(reference);
  session.workOn(name);
  const { yes } = session.options<{ yes?: true }>();
  const what = digest === undefined ? `the tag ${name}` : `${name} and all of its tags`;
  if (!yes && !await confirm(`Delete ${what}?`, session.notices, { signal: session.signal })) {
    session.note("nothing was deleted");
    return;
  }
  const auth = await readAuth(session);
  using client = await openClient(session);
  const { signal, warn: onWarning } = session;
  await client.delete(reference, digest ?? tag ?? "", { auth, signal, onWarning });
  const deleted = digest === undefined ? "tag" : "manifest";
  await session.print({ reference: name, deleted }, []);
}
