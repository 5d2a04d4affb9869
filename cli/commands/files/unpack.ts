import { unpack, type UnpackedImage } from "../../../cache/pulling/unpack.ts";
import type { IdRange, Ownership } from "../../../layer/extraction/ownership.ts";
import type { ImageLocation } from "../../../registry/image_location.ts";
import { imageOptions, openClient } from "../../access/client.ts";
import { openLocalImage } from "../../access/local_images.ts";
import { notePartialLayer, noteReusedBytes } from "../../access/partial_notes.ts";
import { signerOf } from "../../access/puller.ts";
import { locateImage } from "../../access/references.ts";
import { isInStore, storePath } from "../../access/store.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addLimitOption, type LimitOption, limitsOf } from "../../frame/limits.ts";
import {
  addRegistryOptions,
  parseCount,
  parseIdRange,
  type RegistryOptions,
  VERIFYING,
} from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

interface UnpackCommandOptions extends RegistryOptions, LimitOption {
  readonly force?: true | undefined;
  readonly path?: readonly string[] | undefined;
  readonly layer?: number | undefined;
  readonly strip?: number | undefined;
  readonly ownership?: "strict" | "squash" | "record" | undefined;
  readonly uidMap?: readonly IdRange[] | undefined;
  readonly gidMap?: readonly IdRange[] | undefined;
  readonly xattrs?: "on" | "off" | "strict" | undefined;
}

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to unpack")
    .argument("<dir>", "new or empty directory to unpack into")
    .description(
      "Unpacks the flattened file system of an image into a directory. Pulls missing parts of " +
        "the image in the same pass. If anything fails, the directory is left as it was. With --path, " +
        "fetches only the table of contents and the selected files of eStargz and zstd:chunked " +
        "layers, and does not store them.",
    )
    .option("--force", "allow a non-empty directory; a failure then leaves a partial result")
    .option("--path <path>", "unpack only this path and everything below it (repeatable)", {
      repeatable: true,
    })
    .option(
      "--layer <n>",
      "unpack only this layer, without those below it; 0 is the base",
      { parse: (text) => parseCount(text, 0) },
    )
    .option(
      "--strip <n>",
      "remove the first N components of each path; skip entries that have no others " +
        "(default: 0)",
      { parse: (text) => parseCount(text, 0) },
    )
    .option(
      "--ownership <mode>",
      "owner of the files: strict keeps the image's, squash uses yours, record uses yours and " +
        "saves the image's in an extended attribute (default: strict for root, otherwise squash)",
      { choices: ["strict", "squash", "record"] },
    )
    .option(
      "--uid-map <c:h:n>",
      "map N container user IDs from C to host IDs from H (repeatable; default: as --gid-map)",
      {
        repeatable: true,
        parse: parseIdRange,
      },
    )
    .option(
      "--gid-map <c:h:n>",
      "map N container group IDs from C to host IDs from H (repeatable; default: as --uid-map)",
      {
        repeatable: true,
        parse: parseIdRange,
      },
    )
    .option(
      "--xattrs <how>",
      "extended attributes: on reports those that cannot be set, strict fails, off sets none (default: on)",
      { choices: ["on", "off", "strict"] },
    );
  described.hint("--image", 'Write "oci:DIR:NAME" as the reference')
    .hint("-C -o --output", "Write the directory after the image")
    .hint("--rootless", 'Use "--ownership squash"')
    .hint("--strip-components", 'Use "--strip"');
  return addRegistryOptions(addLimitOption(described), { features: VERIFYING }).notes(`
Prints the digest of the image. With --json, also prints the number of entries and bytes in its
layers, and how the files differ from the image and why. With --layer, files that the layer deletes
leave no trace, and the name of the image is not recorded in the store.

Examples:
  oci unpack alpine:3.20 ./rootfs
  oci unpack --path etc --path usr/share/zoneinfo debian:12 ./files
  oci unpack --path usr/share/zoneinfo --strip 3 debian:12 ./zoneinfo
  oci unpack --ownership record alpine:3.20 ./rootfs
  oci unpack --uid-map 0:100000:65536 alpine:3.20 ./rootfs
  oci unpack --limit maxRatio=1100 localhost:5000/zeros ./rootfs
  oci unpack --json oci:./layout:v1 ./rootfs | jq '.skipped[]'`);
}

export async function run(session: Session): Promise<void> {
  const [text = "", directory = ""] = session.operands;
  const source = await locateImage(session, text);
  if (directory === "") throw new UsageError("the directory name is empty", "Specify a directory");
  const { json } = session.options<UnpackCommandOptions>();
  const { image, report } = await unpackShowing(session, source, directory);
  const { digest } = image;
  const { entries, bytes, skipped, skippedCount: count, reusedBytes } = report;
  noteReusedBytes(session, reusedBytes);
  if (json) return await session.output.json({ digest, entries, bytes, skipped });
  const [first] = skipped;
  if (first !== undefined) {
    session.warn(
      `${count} difference${count === 1 ? "" : "s"} from the image, such as ` +
        `"${first.path}": ${first.reason}. List all with --json`,
    );
  }
  await session.output.text(digest);
}

/** Unpacks an image and shows the progress. */
async function unpackShowing(
  session: Session,
  location: ImageLocation,
  directory: string,
): Promise<UnpackedImage> {
  const [text = ""] = session.operands;
  const options = session.options<UnpackCommandOptions>();
  const { force, path: paths, layer, strip, xattrs, jobs } = options;
  const images = await imageOptions(session);
  const isHeld = isInStore(session, location);
  const source = location.transport === "docker"
    ? location.reference
    : isHeld
    ? (await openLocalImage(session, location)).reference
    : text;
  using client = await openClient(session);
  await using progress = session.showProgress();
  return await unpack(source, directory, {
    ...images,
    pullPolicy: isHeld ? "Never" : images.pullPolicy,
    verify: await signerOf(session),
    ...limitsOf(options),
    force,
    paths,
    layer,
    strip,
    ownership: ownershipOf(options),
    xattrs,
    jobs,
    store: storePath(session),
    client,
    onProgress: progress.report,
    onPartialLayer: notePartialLayer(session),
  });
}

function ownershipOf(options: UnpackCommandOptions): Ownership | undefined {
  const { ownership, uidMap = options.gidMap, gidMap = uidMap } = options;
  if (uidMap === undefined || gidMap === undefined) return ownership;
  if (ownership !== undefined) {
    throw new UsageError('ID maps and "--ownership" cannot be combined', "Leave out one of them");
  }
  return { kind: "map", uids: uidMap, gids: gidMap };
}
