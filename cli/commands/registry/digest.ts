import { formatReference } from "../../../registry/reference.ts";
import { openClient } from "../../access/client.ts";
import type { Command } from "../../frame/command.ts";
import { addRegistryOptions, refuseNever } from "../../frame/options.ts";
import { imageOptions } from "../../access/puller.ts";
import { readReference } from "../../access/references.ts";
import type { Session } from "../../frame/session.ts";

/** Describes `oci digest`. */
export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to ask for")
    .description(
      "Prints the digest that the registry gives for a reference at this moment. It asks by HEAD, " +
        "which fetches nothing and counts against no rate limit. That of a multi-platform image " +
        "is the digest of its index; with --platform, that of the manifest for the platform.",
    );
  return addRegistryOptions(described).notes(`
Examples:
  oci digest alpine:3.20
  oci digest --json ghcr.io/owner/app:1 | jq -r .digest`);
}

/** Runs `oci digest`. */
export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const reference = readReference(text);
  const name = formatReference(reference);
  session.workOn(name);
  refuseNever(session.options());
  const options = await imageOptions(session);
  using client = await openClient(session);
  const { digest, mediaType, size } = options.platform === undefined
    ? await client.resolve(reference, options)
    : (await client.image(reference, options)).manifest.descriptor;
  await session.print({ reference: name, digest, mediaType, size }, [digest]);
}
