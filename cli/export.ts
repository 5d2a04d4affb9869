import { dirname } from "@std/path/dirname";
import { formatReference } from "../registry/reference.ts";
import { exportImage } from "../store/export_image.ts";
import type { Command } from "./_command.ts";
import { UsageError } from "./_errors.ts";
import { addRegistryOptions } from "./_options.ts";
import { openPuller } from "./_puller.ts";
import { readSource } from "./_references.ts";
import type { Session } from "./_session.ts";
import { showProgress } from "./_show_progress.ts";
import { openStore } from "./_store.ts";

interface ExportOptions {
  readonly output?: string;
}

/** Describes `oci export`. */
export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to export")
    .description(
      "Writes the flattened file system of an image as a tar archive, in the pax format. What " +
        "of the image is not in the store is pulled first. An image always gives the same bytes.",
    )
    .option("-o, --output <file>", "where to write; default: standard output");
  return addRegistryOptions(described).notes(`
Every entry comes after what it needs: directories before what is in them, links after files.

Examples:
  oci export alpine:3.20 -o rootfs.tar
  oci export alpine:3.20 | tar -x -C ./rootfs
  oci export --platform linux/arm64 debian:12 | sha256sum`);
}

/** Runs `oci export`. */
export async function run(session: Session): Promise<void> {
  const source = readSource(session.operands[0] ?? "");
  const { output } = session.options<ExportOptions>();
  if (output === undefined && Deno.stdout.isTerminal()) {
    throw new UsageError('an archive is not for a terminal; redirect it, or give "--output FILE"');
  }
  using puller = await openPuller(session);
  const { reference, pull } = await puller.find(source);
  session.workOn(formatReference(reference));
  const image = await pullShowing(session, pull);
  const { signal, warn: onWarning } = session;
  const archive = exportImage(await openStore(session), image, { signal, onWarning });
  if (output !== undefined) return await writeFile(archive, output);
  for await (const chunk of archive) await session.output.bytes(chunk);
}

async function pullShowing(
  session: Session,
  pull: Awaited<ReturnType<Awaited<ReturnType<typeof openPuller>>["find"]>>["pull"],
): ReturnType<typeof pull> {
  using progress = showProgress(session);
  return await pull(progress.report);
}

/** Writes a file that is there when it is complete; a device or a pipe as it is. */
async function writeFile(archive: ReadableStream<Uint8Array>, path: string): Promise<void> {
  if (await isSpecial(path)) {
    using file = await Deno.open(path, { write: true });
    return await archive.pipeTo(file.writable, { preventClose: true });
  }
  const temporary = await Deno.makeTempFile({ dir: dirname(path), prefix: ".oci-export-" });
  try {
    const file = await Deno.open(temporary, { write: true });
    await archive.pipeTo(file.writable);
    if (Deno.build.os !== "windows") await Deno.chmod(temporary, 0o644);
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary);
    throw error;
  }
}

async function isSpecial(path: string): Promise<boolean> {
  try {
    return !(await Deno.stat(path)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
