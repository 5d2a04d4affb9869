// Loaded with the command, because each later import takes more than a millisecond.
import "../../../store/files/entry_content.ts";
import type { ImageFiles } from "../../../store/files/image_files.ts";
import { missing, openImageFiles } from "../../access/image_files.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addLimitOption } from "../../frame/limits.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to read from")
    .argument("<path>", "path of the file in the image")
    .description(
      "Prints a file of an image without unpacking the image. Searches the layers from the top " +
        "down and fetches none below the first one that contains or deletes the file, unless a link " +
        "in a lower one may lead to the file. Follows links inside the image. Fetches only the table " +
        "of contents and the file from eStargz and zstd:chunked layers.",
    );
  return addRegistryOptions(addLimitOption(described), {
    features: ["platform", "policy", "mirror", "connections"],
  }).notes(`
Examples:
  oci cat alpine:3.20 etc/os-release
  oci cat --platform linux/arm64 debian:12 /usr/bin/true | file -`);
}

export async function run(session: Session): Promise<void> {
  const [, path = ""] = session.operands;
  if (path === "") throw new UsageError("the path is empty", "Specify a path");
  await using image = await openImageFiles(session);
  const content = await open(image.files, path);
  if (content === undefined) throw await missing(image.files, path);
  await image.hideProgress();
  await session.output.content(content);
}

async function open(files: ImageFiles, path: string): ReturnType<ImageFiles["read"]> {
  try {
    return await files.read(path);
  } catch (cause) {
    const isDirectory = cause instanceof Deno.errors.IsADirectory;
    const found = isDirectory || cause instanceof Deno.errors.NotSupported
      ? await files.find(path)
      : undefined;
    if (found === undefined || found.status.type === "file") throw cause;
    throw new CommandError(
      `cannot read "${path}" in the image: it is a ${found.status.type}`,
      isDirectory ? 'List it with "oci ls"' : "Specify a regular file",
      { subject: path, cause },
    );
  }
}
