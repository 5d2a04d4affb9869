import { ArtifactError } from "../../../registry/errors.ts";
import { formatReference } from "../../../registry/reference.ts";
import { digestOf } from "../../../spec/digest.ts";
import { parseManifest } from "../../../spec/image/manifest.ts";
import { formatPlatform } from "../../../spec/platform.ts";
import { ImageFinder, type LocatedImage } from "../../access/image_finder.ts";
import { locateImage } from "../../access/references.ts";
import { isInStore } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { addRegistryOptions, type RegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { imageSize } from "../../terminal/format.ts";
import { imageText, indexPlatforms } from "../../terminal/image_text.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to inspect")
    .description(
      "Shows the manifest, config, layers and platforms of an image. Reads the store if the " +
        "image is there; otherwise fetches only the manifest and the config from the registry.",
    )
    .option(
      "--raw",
      "print the original bytes of the manifest; for a multi-platform image without --platform, " +
        "of the index",
      { conflicts: ["--config", "--json"] },
    )
    .option("--config", "print the original bytes of the config", { conflicts: ["--json"] })
    .hint("--no-tags -n", 'Leave it out; "oci tags" lists the tags');
  return addRegistryOptions(described, { features: ["platform", "policy", "mirror"] }).notes(`
Examples:
  oci inspect alpine:3.20
  oci inspect --platform linux/arm64 --json alpine:3.20 | jq .config.config.Env
  oci inspect --raw alpine:3.20 | sha256sum
  oci inspect oci:./layout:v1
  oci inspect --policy always ghcr.io/owner/app:1`);
}

export async function run(session: Session): Promise<void> {
  const [text = ""] = session.operands;
  const source = await locateImage(session, text);
  const { raw, config, platform } = session.options<
    RegistryOptions & { raw?: true; config?: true }
  >();
  using finder = await ImageFinder.open(session);
  if (raw) return await session.output.content([await finder.manifestBytes(source)]);
  let found: LocatedImage;
  try {
    found = await finder.image(source);
  } catch (error) {
    if (!(error instanceof ArtifactError) || config || platform !== undefined) throw error;
    return await printArtifact(session, await finder.manifestBytes(source), error);
  }
  if (config) return await session.output.content([found.image.config.bytes]);
  const name = isInStore(session, source)
    ? `@${found.image.digest}`
    : formatReference(found.reference);
  await session.print(describeImage(name, found), imageText(name, found.image));
}

/** Prints an artifact. Throws `error` for an index. */
async function printArtifact(
  session: Session,
  bytes: Uint8Array,
  error: ArtifactError,
): Promise<void> {
  const { kind, value } = parseManifest(bytes);
  if (kind === "index") throw error;
  const { artifactText, fileName } = await import("../../terminal/artifact_text.ts");
  const [reference = ""] = session.operands;
  const { mediaType, artifactType = value.config.mediaType, subject, layers } = value;
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await session.print({
    reference,
    digest: descriptor.digest,
    mediaType,
    artifactType,
    size: imageSize(value),
    subject: subject?.digest ?? null,
    layers: layers.map((layer) => {
      const { digest, size, mediaType } = layer;
      return { digest, size, mediaType, file: fileName(layer) ?? null };
    }),
    manifest: parsed({ bytes }),
  }, artifactText(reference, descriptor, value));
}

/** Returns the JSON form of an image: its documents, and fields that are often needed. */
function describeImage(reference: string, { image, source }: LocatedImage): unknown {
  const { digest, indexes, manifest, config, platform, layers } = image;
  return {
    reference,
    digest,
    mediaType: (indexes[0] ?? manifest).descriptor.mediaType,
    platform: formatPlatform(platform),
    size: imageSize(manifest.value),
    source,
    platforms: indexes.length > 0
      ? indexPlatforms(image)
      : [{ platform: formatPlatform(platform), digest: manifest.descriptor.digest }],
    layers: layers.map(({ descriptor: { digest, size, mediaType }, diffId }) => {
      return { digest, diffId, size, mediaType };
    }),
    manifest: parsed(manifest),
    config: parsed(config),
  };
}

/** Returns a document with all of its members, including unknown ones. */
function parsed({ bytes }: { readonly bytes: Uint8Array }): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
