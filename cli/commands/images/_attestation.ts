import { formatReference } from "../../../registry/reference.ts";
import { parseIfJson } from "../../../spec/json.ts";
import { formatPlatform } from "../../../spec/platform.ts";
import type { AttachmentSource } from "../../../store/attachments/attachment_source.ts";
import {
  type Attestation,
  type AttestationKind,
  listAttestations,
  readAttestation,
} from "../../../store/attachments/attestations.ts";
import { ImageFinder, type LocatedImage } from "../../access/image_finder.ts";
import { locateImage } from "../../access/references.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError } from "../../frame/errors.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

/** Kinds of attestations in messages. */
const NAMES: Readonly<Record<AttestationKind, string>> = {
  sbom: "an SBOM",
  provenance: "provenance",
};

/** Adds the argument and the options of a command that prints an attestation. */
export function addAttestationOptions(command: Command, types: readonly string[]): Command {
  const described = command
    .argument("<ref>", "image to look up")
    .option(
      "--type <type>",
      "type, part of a type, or digest, if the image has several",
      { examples: types },
    );
  return addRegistryOptions(described, { features: ["platform", "policy", "mirror"] });
}

/** Prints an attestation of the image that the first operand names. */
export async function printAttestation(session: Session, kind: AttestationKind): Promise<void> {
  const where = await locateImage(session, session.operands[0] ?? "");
  using finder = await ImageFinder.open(session);
  const located = await finder.image(where);
  const { image } = located;
  const name = formatReference(located.reference);
  const { signal } = session;
  const sources = await finder.attachments(where, located);
  const [source, all] = await firstWith(sources, image, kind, signal);
  const chosen = choose(session, all, `${NAMES[kind]} of "${name}"`, located);
  const bytes = await readAttestation(source, chosen, { signal });
  if (!session.options().json) return await session.output.content([bytes]);
  const text = new TextDecoder().decode(bytes);
  await session.output.json({
    reference: name,
    digest: image.manifest.descriptor.digest,
    platform: formatPlatform(image.platform),
    type: chosen.type,
    attachment: chosen.blob.digest,
    document: parseIfJson(text) ?? text,
  });
}

/** Returns the first source that has attestations, and the attestations. */
async function firstWith(
  sources: readonly AttachmentSource[],
  image: LocatedImage["image"],
  kind: AttestationKind,
  signal: AbortSignal,
): Promise<readonly [AttachmentSource, readonly Attestation[]]> {
  for (const source of sources) {
    const found = await listAttestations(source, image, kind, { signal });
    if (found.length > 0 || source === sources.at(-1)) return [source, found];
  }
  throw new TypeError("Cannot look for attestations: there is no place");
}

/**
 * Returns the attestation that `--type` selects, or the only one.
 *
 * @param what The attestation and its image, for errors.
 */
function choose(
  session: Session,
  all: readonly Attestation[],
  what: string,
  { reference, image }: LocatedImage,
): Attestation {
  const { type } = session.options<{ type?: string }>();
  const fits = ({ type: own, blob: { digest } }: Attestation) => {
    return type === undefined || own.toLowerCase().includes(type.toLowerCase()) || digest === type;
  };
  const fitting = all.filter(fits);
  const [first] = fitting;
  if (first !== undefined && fitting.length === 1) return first;
  const list = (fitting.length > 0 ? fitting : all).map(({ type, blob: { digest } }) => {
    return `${type} (${digest})`;
  });
  const options = { subject: formatReference(reference) };
  if (first !== undefined) {
    throw new CommandError(
      `cannot choose ${what}: it has several: ${list.join(", ")}`,
      "Choose one with --type and its digest",
      options,
    );
  }
  const platform = formatPlatform(image.platform) || "an unknown platform";
  if (list.length > 0) {
    const problem = `cannot find ${what} for ${platform} with the type "${type}": ` +
      `it has ${list.join(", ")}`;
    throw new CommandError(problem, "Choose one of them with --type", options);
  }
  throw new CommandError(
    `cannot find ${what} for ${platform}: none is attached to it`,
    "Check the platform, or ask its owner to attach one",
    { code: "not-found", ...options },
  );
}
