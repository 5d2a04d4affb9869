import { decodeName } from "../file_name.ts";
import { readProcFile } from "./native_mount.ts";

/** An entry of the mount table. */
export interface MountEntry {
  /** ID of the mount. Later mounts usually have higher IDs. */
  readonly id: number;
  /** Mount point. */
  readonly target: string;
  /** File system type, such as `overlay`. */
  readonly type: string;
  /** Major and minor number of its device, such as `0:42`. */
  readonly device: string;
  /** Source of the mount: a device, a directory or any other text. */
  readonly source: string;
}

/**
 * Reads the mount table of this process's mount namespace. Later mounts hide earlier ones.
 *
 * See {@link https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html | proc_pid_mountinfo(5)}.
 *
 * @returns The mounts; empty on systems other than Linux.
 * @throws {Deno.errors.NotCapable} Without `--allow-ffi` and without `--allow-all`.
 */
export function readMounts(): readonly MountEntry[] {
  if (Deno.build.os !== "linux") return [];
  return parseMountTable(decodeName(readProcFile("/proc/self/mountinfo")));
}

/** Returns the mount that a path without symlinks is on; `undefined` if none is known. */
export function mountOf(path: string): MountEntry | undefined {
  return readMounts().findLast(({ target }) => {
    return target === "/" || path === target || path.startsWith(`${target}/`);
  });
}

/** Lists the mounts below a directory, in the order of mounting. */
export function mountsBelow(directory: string): readonly MountEntry[] {
  return readMounts().filter(({ target }) => target.startsWith(`${directory}/`));
}

/** Parses the text of `/proc/self/mountinfo`. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text.split("\n").filter(Boolean).map((line) => {
    // The file system type follows a dash, which ends the optional fields.
    const [id, , device = "", , target = "", ...rest] = line.split(" ");
    const [type = "", source = ""] = rest.slice(rest.indexOf("-") + 1);
    return { id: Number(id), target: unescape(target), type, device, source: unescape(source) };
  });
}

/** Decodes spaces, tabs, line feeds and backslashes, which the kernel escapes as octal digits. */
function unescape(text: string): string {
  return text.replaceAll(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}
