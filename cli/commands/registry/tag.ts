import { formatReference, type Reference } from "../../../registry/reference.ts";
import { openClient, readAuth } from "../../access/client.ts";
import { isReference, readReference } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image in a registry")
    .argument("<newtag>", "tag to add")
    .description(
      "Adds a tag to an image in its repository. Reads and writes only the manifest, " +
        "no layers.",
    )
    .hint("-f --force", "Leave it out; an existing tag is replaced");
  return addRegistryOptions(described, { features: [] }).notes(`
Prints the digest.

Examples:
  oci tag ghcr.io/owner/app:1.2.3 latest
  oci tag ghcr.io/owner/app@sha256:… stable`);
}

export async function run(session: Session): Promise<void> {
  const [text = "", tag = ""] = session.operands;
  const reference = readReference(text);
  const { registry, repository } = reference;
  const target: Reference = { registry, repository, tag };
  if (!isReference(formatReference(target))) {
    throw new UsageError(
      `"${tag}" is not a tag`,
      // The name may be a command of regctl.
      /^(?:ls|list)$/.test(text)
        ? `Use "oci tags ${tag}"`
        : /^(?:rm|delete)$/.test(text)
        ? `Use "oci delete ${tag}"`
        : /[/:@]/.test(tag)
        ? `To give the image another name, use "oci copy ${text} ${tag}"`
        : 'A tag has up to 128 letters, digits, "_", "." and "-"',
    );
  }
  const auth = await readAuth(session);
  using client = await openClient(session);
  const options = { auth, signal: session.signal };
  // A mirror may have an older image under the tag.
  const reading = { ...options, skipMirrors: true };
  const { descriptor, bytes } = await client.document(reference, reading);
  await client.pushManifest(target, descriptor, bytes, options);
  const { digest, mediaType, size } = descriptor;
  await session.print({ reference: formatReference(target), digest, mediaType, size }, [digest]);
}
