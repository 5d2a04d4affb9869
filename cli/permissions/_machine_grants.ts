import {
  CERTIFICATE_VARIABLES,
  CertificateDirectories,
} from "../../registry/certificates/certificate_directories.ts";
import {
  REGISTRIES_VARIABLES,
  registriesPlaces,
} from "../../registry/configuration/registries_files.ts";
import { isGranted, readGrantedEnvironment } from "../../spec/granted.ts";
import { dirname } from "../../spec/paths.ts";
import { findProgram, pathPlaces, PROGRAM_PLACES } from "../../store/host/find_program.ts";
import { RUNTIMES } from "../../store/runtime/find_runtime.ts";
import { ID_FILES } from "../../store/runtime/rootless_maps.ts";
import type { Grants } from "./grants.ts";
import type { PermissionOptions } from "./permission_options.ts";

/** How a command uses directories with the files of an image. */
export type DirectoryUse = "unpack" | "bundle" | "run" | "unbundle";

/**
 * Grants what extracting an image into directories needs. An image may contain links, for which
 * Deno requires unrestricted reading and writing; mounts, device nodes and extended attributes need
 * the C library.
 */
export function grantDirectories(
  grants: Grants,
  use: DirectoryUse,
  { output, bundler, runtime, uidMap, gidMap }: PermissionOptions,
): void {
  // Name the path as well: for some paths, Deno requires all permissions.
  if (output !== undefined) grants.add("write", output);
  grants.addWhole("read", "write", "ffi");
  grants.add("sys", "uid");
  if (use === "unpack") return;
  const runtimes = runtime === undefined ? RUNTIMES : [runtime];
  const programs = [
    ...use === "bundle" ? [] : runtimes,
    ...use === "unbundle" || bundler === "uncompressed" ? [] : ["fuse-overlayfs"],
    ...bundler === "uncompressed" ? [] : UNMOUNT_PROGRAMS,
    ...bundler === "uncompressed" || (uidMap ?? gidMap) === undefined ? [] : ["unshare"],
  ];
  grants.add(
    "run",
    ...programs.flatMap((program) => {
      const found = installed(program);
      return found.length === 0 && program === runtime ? [program] : found;
    }),
  );
  grants.add("env", "PATH");
  if (use !== "unbundle") grants.add("sys", "gid");
}

/** Programs that unmount for unprivileged users. */
const UNMOUNT_PROGRAMS: readonly string[] = ["fusermount3", "fusermount"];

/**
 * Returns the name of a program as Deno resolves it: its path if it is not in `PATH`; none if it is
 * not installed, because Deno prints a line about such a name. Returns the name if that is unknown.
 */
function installed(program: string): readonly string[] {
  const places = pathPlaces();
  const isHidden = places.length === 0 || !isGranted({ name: "read" });
  if (program.includes("/") || isHidden) return [program];
  const found = findProgram(program);
  if (found === undefined) return [];
  return [places.includes(dirname(found)) ? program : found];
}

export function grantCertificates(grants: Grants): void {
  grants.add("read", ...new CertificateDirectories().paths);
  grants.add("env", ...CERTIFICATE_VARIABLES);
}

/**
 * Grants what the demo needs: it runs its own registry and keeps a store in the temporary
 * directory.
 */
export function grantDemo(grants: Grants): void {
  const directory = readGrantedEnvironment("TMPDIR") || "/tmp";
  grants.add("net", "127.0.0.1");
  grants.addFiles(directory);
}

/** Grants what `doctor` needs to examine programs, the machine, the user and container features. */
export function grantMachine(grants: Grants): void {
  grants.add("read", ...pathPlaces(), ...PROGRAM_PLACES, ...registriesPlaces(), ...ID_FILES);
  const programs = [...RUNTIMES, "fuse-overlayfs", ...UNMOUNT_PROGRAMS, "unshare"];
  grants.add("run", ...programs.flatMap(installed));
  grants.add("env", "PATH", ...REGISTRIES_VARIABLES);
  grants.add("sys", "uid", "gid", "osRelease", "statfs");
  grants.addWhole("ffi");
}
