import type { ImageLocation } from "../../../registry/image_location.ts";
import { formatReference } from "../../../registry/reference.ts";
import type { RemoteImage } from "../../../spec/image/image.ts";
import { blobsOfImage, findHeld } from "../../../store/content/find_held.ts";
import { exportImage } from "../../../store/files/export_image.ts";
import { openFileOutput } from "../../../store/host/file_output.ts";
import { type FoundSource, openPuller } from "../../access/puller.ts";
import { locateImage } from "../../access/references.ts";
import { openStore } from "../../access/store.ts";
import { refuseTerminal } from "../../access/transfer.ts";
import type { Command } from "../../frame/command.ts";
import { addLimitOption, type LimitOption, limitsOf } from "../../frame/limits.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { Output } from "../../terminal/output.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to export")
    .description(
      "Writes the flattened file system of an image as a tar archive in the pax format. Pulls " +
        "missing parts of the image first. The same image always produces the same bytes.",
    )
    .option("-o, --output <file>", "file to write (default: stdout)");
  return addRegistryOptions(addLimitOption(described)).notes(`
Directories come before their content, and hard links after their targets.

Examples:
  oci export alpine:3.20 -o rootfs.tar
  oci export alpine:3.20 | tar -x -C ./rootfs
  oci export --platform linux/arm64 debian:12 | sha256sum`);
}

export async function run(session: Session): Promise<void> {
  const source = await locateImage(session, session.operands[0] ?? "");
  const { output } = session.options<{ output?: string }>();
  if (output === undefined) {
    refuseTerminal();
    return await writeArchive(session, source, session.output);
  }
  // Open the output first, so that a bad path fails before the pull.
  const { signal } = session;
  await using file = await openFileOutput(output, { prefix: ".oci-export-", signal });
  await writeArchive(session, source, new Output({ sink: file, name: `"${output}"`, signal }));
  await file.commit();
}

async function writeArchive(
  session: Session,
  source: ImageLocation,
  output: Output,
): Promise<void> {
  using puller = await openPuller(session);
  const found = await puller.find(source);
  session.workOn(formatReference(found.reference));
  const { signal, warn: onWarning } = session;
  const store = await openStore(session);
  using image = await findHeld(store, () => pullShowing(session, found), {
    blobsOf: blobsOfImage,
    signal,
  });
  const limits = limitsOf(session.options<LimitOption>());
  const archive = exportImage(store, image.found, { ...limits, signal, onWarning });
  for await (const chunk of archive) await output.bytes(chunk);
}

async function pullShowing(session: Session, { pull }: FoundSource): Promise<RemoteImage> {
  await using progress = session.showProgress();
  return await pull(progress.report);
}
