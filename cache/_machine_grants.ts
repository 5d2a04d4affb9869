import { dirname } from "../spec/paths.ts";
import { findProgram, PROGRAM_PLACES, RUNTIMES } from "../store/host/find_runtime.ts";
import type { Grants } from "./_grants.ts";

/** What a command does with directories that hold whatever an image has. */
export type DirectoryUse = "unpack" | "bundle" | "run" | "unbundle";

/** What {@linkcode grantDirectories} has to know of the command line. */
export interface DirectoryOptions {
  readonly output?: string | undefined;
  readonly bundler?: string | undefined;
  readonly runtime?: string | undefined;
}

/**
 * An image may hold links, which need the whole kind; mounts, device nodes and extended
 * attributes are calls of the C library.
 */
export async function grantDirectories(
  grants: Grants,
  use: DirectoryUse,
  { output, bundler, runtime }: DirectoryOptions,
): Promise<void> {
  // Named as well, as there are places for which the whole kind is not enough.
  if (output !== undefined) grants.add("write", output);
  grants.addWhole("read", "write", "ffi");
  grants.add("sys", "uid");
  if (use === "unpack") return;
  const runtimes = runtime === undefined ? RUNTIMES : [runtime];
  const programs = [
    ...use === "bundle" ? [] : runtimes,
    ...use === "unbundle" || bundler === "uncompressed" ? [] : ["fuse-overlayfs"],
    ...bundler === "uncompressed" ? [] : UNMOUNT_PROGRAMS,
  ];
  grants.add("run", ...await Promise.all(programs.map(programName)));
  grants.add("env", "PATH");
  if (use !== "unbundle") grants.add("sys", "gid");
}

/** What unmounts for ordinary users. */
const UNMOUNT_PROGRAMS: readonly string[] = ["fusermount3", "fusermount"];

/** A program as Deno finds it: where it is, if that is not on the path. */
async function programName(program: string): Promise<string> {
  const places = pathPlaces();
  const { state } = await Deno.permissions.query({ name: "read" });
  if (program.includes("/") || places.length === 0 || state !== "granted") return program;
  const found = await findProgram(program);
  return found === undefined || places.includes(dirname(found)) ? program : found;
}

/** The demo serves itself, and keeps a store where temporary files are. */
export function grantDemo(grants: Grants): void {
  const directory = variable("TMPDIR") ?? "/tmp";
  grants.add("net", "127.0.0.1");
  grants.add("read", directory);
  grants.add("write", directory);
}

/** What tells of mirrors, and of the ids that a user has. */
const MACHINE_FILES: readonly string[] = [
  "/etc/containers/registries.conf",
  "/etc/docker/daemon.json",
  "/etc/passwd",
  "/etc/subgid",
  "/etc/subuid",
];

/** Says which machine and which user this is, finds programs, and runs those of containers. */
export function grantMachine(grants: Grants): void {
  const home = variable("HOME");
  const own = home === undefined ? [] : [`${home}/.config/containers/registries.conf`];
  grants.add("read", ...pathPlaces(), ...PROGRAM_PLACES, ...MACHINE_FILES, ...own);
  grants.add("run", ...RUNTIMES, "fuse-overlayfs", ...UNMOUNT_PROGRAMS, "unshare");
  grants.add("env", "PATH");
  grants.add("sys", "uid", "gid", "osRelease", "statfs");
  grants.addWhole("ffi");
}

/** Where programs are looked for, as far as that may be known. */
function pathPlaces(): readonly string[] {
  return (variable("PATH") ?? "").split(":").filter(Boolean);
}

/** A variable of the environment, if it may be read and is set. */
function variable(name: string): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: name });
  return (state === "granted" && Deno.env.get(name)) || undefined;
}
