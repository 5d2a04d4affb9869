import { decodeName } from "../file_name.ts";
import { NativeMount } from "./native_mount.ts";

/** A file system that is mounted somewhere. */
export interface MountEntry {
  /** Number of the mount, higher than those of the mounts before it as a rule. */
  readonly id: number;
  /** Where it is mounted. */
  readonly target: string;
  /** Type of file system, such as `overlay`. */
  readonly type: string;
  /** Major and minor number of its device, such as `0:42`. */
  readonly device: string;
  /** Source of the mount: a device, a directory, or any text that whoever mounted it chose. */
  readonly source: string;
}

const TABLE = "/proc/self/mountinfo";

/**
 * Lists what is mounted where in the mount namespace of this process, in the order in which
 * later mounts hide earlier ones.
 *
 * See {@link https://man7.org/linux/man-pages/man5/proc_pid_mountinfo.5.html | proc_pid_mountinfo(5)}.
 *
 * @returns The mounts; none on systems that have no such table.
 * @throws {Deno.errors.NotCapable} If it may not be read: neither `--allow-ffi` nor all of `-A` is
 * granted.
 *
 * @example List the mounts
 * ```ts
 * import { readMounts } from "@x/oci/layer";
 * import { assert } from "@std/assert";
 *
 * const mounts = readMounts();
 *
 * assert(Deno.build.os !== "linux" || mounts.some(({ target }) => target === "/"));
 * ```
 */
export function readMounts(): readonly MountEntry[] {
  if (Deno.build.os !== "linux") return [];
  return parseMountTable(decodeName(readTable()));
}

function readTable(): Uint8Array<ArrayBuffer> {
  // Deno reads /proc for those alone who have every permission; the native backend does as well
  // for those who have its own.
  using calls = NativeMount.tryOpen();
  return calls === undefined ? Deno.readFileSync(TABLE) : calls.readFile(TABLE);
}

/** Parses the text of `/proc/self/mountinfo`. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text.split("\n").filter(Boolean).map((line) => {
    // A dash ends the optional fields; the type follows it.
    const [id, , device = "", , target = "", ...rest] = line.split(" ");
    const [type = "", source = ""] = rest.slice(rest.indexOf("-") + 1);
    return { id: Number(id), target: unescape(target), type, device, source: unescape(source) };
  });
}

/** Spaces, tabs, line feeds and backslashes stand as three octal digits. */
function unescape(text: string): string {
  return text.replaceAll(
    /\\([0-7]{3})/g,
    (_, digits: string) => String.fromCharCode(parseInt(digits, 8)),
  );
}
