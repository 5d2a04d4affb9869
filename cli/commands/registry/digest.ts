import { formatReference } from "../../../registry/reference.ts";
import { imageOptions, openClient } from "../../access/client.ts";
import { readReference } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to look up")
    .description(
      "Prints the digest of a reference in its registry; for a multi-platform image, that of the " +
        "index. Sends a HEAD request, which downloads nothing and does not count toward rate " +
        "limits. With --platform, downloads the manifests, and prints the digest of that " +
        "platform's manifest.",
    );
  return addRegistryOptions(described, {
    features: ["platform", "mirror"],
    defaults: { "--platform": "the index of all" },
  }).notes(`
Examples:
  oci digest alpine:3.20
  oci digest --json ghcr.io/owner/app:1 | jq -r .digest`);
}

export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const reference = readReference(text);
  const name = formatReference(reference);
  session.workOn(name);
  const options = await imageOptions(session);
  using client = await openClient(session);
  const { digest, mediaType, size } = options.platform === undefined
    ? await client.resolve(reference, options)
    : (await client.image(reference, options)).manifest.descriptor;
  await session.print({ reference: name, digest, mediaType, size }, [digest]);
}
