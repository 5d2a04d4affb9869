import type { ImageFile, ImageFiles } from "../../../store/files/image_files.ts";
import { missing, openImageFiles } from "../../access/image_files.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addLimitOption } from "../../frame/limits.ts";
import { addRegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";
import { formatFileMode } from "../../terminal/file_mode.ts";
import { formatTable, printable, widened } from "../../terminal/format.ts";
import { escaped } from "../../terminal/output.ts";
import { fitToTerminal } from "../../terminal/terminal.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to list")
    .argument("[path]", "path in the image (default: everything)")
    .trait("lists-files")
    .description(
      "Lists the files of an image at and below a path, as a container would see them, without " +
        "unpacking the image. Fetches only the table of contents of eStargz and zstd:chunked layers.",
    )
    .option("-l, --long", "show type, permissions, links, owner, size, time and link target")
    .hint("-R --recursive -a --all", "Leave it out; all files below the path are listed");
  return addRegistryOptions(addLimitOption(described), {
    features: ["platform", "policy", "mirror", "connections"],
  }).notes(`
Prints one path per line, each directory before its content.

Examples:
  oci ls alpine:3.20 | grep '\\.apk'
  oci ls --long alpine:3.20 /etc
  oci ls --json debian:12 usr/bin | jq -r '.[] | select(.mode == "4755").path'`);
}

export async function run(session: Session): Promise<void> {
  const [, path = "/"] = session.operands;
  if (path === "") throw new UsageError("the path is empty", "Specify a path or leave it out");
  const { json, long } = session.options<{ long?: true }>();
  await using image = await openImageFiles(session);
  const list = () => listFiles(image.files, path);
  const print = async (text: string) => {
    await image.hideProgress();
    await printText(session, text);
  };
  if (json) return await printJson(print, await list());
  if (long) return await printTable(print, list);
  for await (const lines of inBatches(await list(), (file) => printable(file.path))) {
    await print(`${lines.join("\n")}\n`);
  }
}

type Print = (text: string) => Promise<void>;
type Files = AsyncIterable<ImageFile> | Iterable<ImageFile>;

/** Number of files to print at once; an image may have a million. */
const BATCH = 1000;

async function* inBatches<T>(
  files: Files,
  format: (file: ImageFile) => T,
): AsyncGenerator<readonly T[], void, void> {
  let batch: T[] = [];
  for await (const file of files) {
    if (batch.push(format(file)) < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Prints a JSON array like `Output.json()`, but without holding all of it in memory. */
async function printJson(print: Print, files: Files): Promise<void> {
  let opening = "[\n";
  for await (const batch of inBatches(files, describeFile)) {
    const items = JSON.stringify(batch, undefined, 2).slice(2, -2);
    await print(opening + escaped(items));
    opening = ",\n";
  }
  await print(opening === ",\n" ? "\n]\n" : "[]\n");
}

/** Prints a table in two passes, to save memory: the first one only measures the columns. */
async function printTable(print: Print, list: () => Promise<Files>): Promise<void> {
  let widths: readonly number[] = [];
  for await (const file of await list()) widths = widened(widths, row(file));
  for await (const rows of inBatches(await list(), row)) {
    await print(`${fitToTerminal(formatTable(rows, [1, 3], widths)).join("\n")}\n`);
  }
}

/** Prints text and releases its memory at once: a listing may have hundreds of megabytes. */
async function printText(session: Session, text: string): Promise<void> {
  const bytes = new TextEncoder().encode(text);
  await session.output.bytes(bytes);
  bytes.buffer.transfer(0);
}

async function listFiles(files: ImageFiles, path: string): Promise<Files> {
  if (/^[./]*$/.test(path)) return files.list();
  // For anything but a directory, reading the upper layers may be enough.
  const found = await files.find(path, false);
  if (found === undefined) throw await missing(files, path);
  // A dangling symlink is listed itself.
  const followed = found.status.type === "symlink" ? await files.find(path) ?? found : found;
  return followed.status.type === "directory" ? files.list(followed.path) : [followed];
}

/** Returns the JSON form of a file. */
function describeFile({ path, status, target, xattrs }: ImageFile): unknown {
  const { type, mode, uid, gid, size, nlink, mtime, mtimeNs, devmajor, devminor } = status;
  const isDevice = type === "character-device" || type === "block-device";
  return {
    path,
    type,
    mode: mode.toString(8).padStart(4, "0"),
    uid,
    gid,
    size: type === "file" ? size : 0,
    mtime: formatTime(mtime * 1000 + Math.floor(mtimeNs / 1e6)),
    links: type === "directory" ? undefined : nlink,
    target: type === "symlink" ? target : undefined,
    device: isDevice ? `${devmajor}:${devminor}` : undefined,
    xattrs: xattrs.size === 0
      ? undefined
      : Object.fromEntries([...xattrs].map(([name, value]) => [name, value.toBase64()])),
  };
}

const MAX_TIME_MS = 8.64e15;

function row({ path, status, target }: ImageFile): readonly string[] {
  const { type, mode, uid, gid, size, nlink, mtime } = status;
  const isDevice = type === "character-device" || type === "block-device";
  const time = formatTime(mtime * 1000).replace("T", " ").replace(/:[^:]*$/, "");
  return [
    formatFileMode(type, mode),
    type === "directory" ? "-" : String(nlink),
    `${uid}:${gid}`,
    isDevice ? `${status.devmajor}:${status.devminor}` : String(type === "file" ? size : 0),
    time,
    target === "" ? path : `${path} -> ${target}`,
  ];
}

/** Formats a time. Archives may contain times beyond the range of `Date`. */
function formatTime(ms: number): string {
  return new Date(Math.min(Math.max(ms, -MAX_TIME_MS), MAX_TIME_MS)).toISOString();
}
