import { openFileTree } from "../../layer/disk/open_tree.ts";
import type { Owner } from "../../layer/extraction/ownership.ts";
import { cleanPath, isBelow } from "../../layer/trees/clean_path.ts";
import { checkPath } from "../../spec/error_facts.ts";
import { withMounts, withRootFS } from "../../spec/options/filesystem_options.ts";
import { withImageConfig } from "../../spec/options/image_options.ts";
import { formatSpec, newSpec } from "../../spec/options/new_spec.ts";
import { withDefaultSeccomp } from "../../spec/options/seccomp_profile.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import { formatPlatform } from "../../spec/platform.ts";
import type { Mount, RuntimeSpec } from "../../spec/runtime/runtime_spec.ts";
import type { ContainerSpec, SpecOption } from "../../spec/runtime/spec_option.ts";
import { BundleError } from "../errors.ts";
import { swapFile } from "../host/files.ts";
import type { Image } from "../images/image.ts";
import { CONFIG } from "./_bundle_mark.ts";
import { RootFiles } from "./_root_files.ts";
import { copyVolumes, mountVolumes, type VolumeCopy } from "./volumes.ts";

/** Name of the directory of a bundle that contains the files of the image. */
export const ROOTFS = "rootfs";

/** Files with the names of a container. */
const HOSTS = "/etc/hosts";
const HOSTNAME = "/etc/hostname";

const HOST_ARCHITECTURES: Readonly<Record<string, string>> = {
  "x86_64": "amd64",
  aarch64: "arm64",
};

/**
 * Checks that an image is for Linux, which the runtimes require. Images of some tools name no
 * platform, and the kernel may run programs for another architecture through an emulator.
 *
 * @throws {BundleError} If it is for another system, such as Windows.
 */
export function assertLinux({ digest, platform }: Image, path: string): void {
  if (platform.os === "linux" || platform.os === "") return;
  throw new BundleError(`it is for ${formatPlatform(platform)}, not for Linux`, path, {
    code: "invalid-argument",
    action: `make a bundle of ${digest}`,
    advice: "Choose an image for Linux",
  });
}

/** Options for {@linkcode writeBundleConfig}. */
export interface BundleConfigOptions {
  /** Aborts the copying of volumes. */
  readonly signal?: AbortSignal | undefined;
  /** Owner of the directories that are created; by default, the user of this process. */
  readonly owner?: Owner | undefined;
}

/**
 * Writes the `config.json` of a bundle whose root file system exists, and creates its working
 * directory and the directories of its volumes. A container without a network gets a hosts file
 * with its own names, unless the image has one, and `/etc/hostname` has a name that was set.
 */
export async function writeBundleConfig(
  directory: string,
  image: Image,
  options: readonly SpecOption[],
  { signal, owner }: BundleConfigOptions = {},
): Promise<void> {
  using tree = openFileTree(`${directory}/${ROOTFS}`);
  const files = new RootFiles(tree);
  const passwd = files.readText("/etc/passwd");
  const group = files.readText("/etc/group");
  // Not the architecture of the image: an emulator makes the system calls of this machine.
  const architecture = HOST_ARCHITECTURES[Deno.build.arch];
  const copies: VolumeCopy[] = [];
  const spec = newSpec(
    withRootFS(ROOTFS),
    withImageConfig(image.config.value, passwd, group, { image: image.digest }),
    ...architecture === undefined ? [] : [withDefaultSeccomp(architecture)],
    ...options,
    mountVolumes(files, directory, image.config.value.config.Volumes ?? [], copies, owner),
    withNameFiles(files, directory),
  );
  await copyVolumes(tree, directory, copies, signal);
  // If the user starts the runtime, it creates missing directories with the user's umask, and other
  // users of the container might not reach the mounts in them. It still creates a missing /etc for
  // the files with names, so that a bundle of an image without /etc has the same files as the image.
  const own = [HOSTS, HOSTNAME].map((path) => nameFile(directory, path));
  const binds = spec.mounts.filter(({ type, source = "" }) => {
    return type === "bind" && !own.includes(source);
  });
  files.ensureVolumeDirectories(binds.map(({ destination }) => dirname(destination)), owner);
  files.ensureDirectory(spec.process?.cwd ?? "/", owner);
  writeNameFiles(directory, spec, owner);
  await writeSpec(`${directory}/${CONFIG}`, spec);
}

/**
 * Mounts the files with the names of the container, except where the options mount others, or a
 * directory of the host, in which the runtime would create mount points.
 */
function withNameFiles(files: RootFiles, directory: string): SpecOption {
  return (spec) => {
    const { hostname, linux: { namespaces = [] }, mounts } = spec;
    const isAlone = namespaces.some(({ type, path }) => type === "network" && path === undefined);
    const wanted = [
      ...isAlone && files.readText(HOSTS) === "" ? [HOSTS] : [],
      ...hostname === undefined ? [] : [HOSTNAME],
    ];
    if (wanted.length === 0 || !files.mayBeDirectory("/etc")) return spec;
    const places = mounts.map((mount) => placeOf(files, mount, directory));
    const paths = wanted.filter((path) => !providesFile(files, places, path));
    return withMounts(paths.map((destination) => ({
      destination,
      type: "bind",
      source: nameFile(directory, destination),
      options: ["bind", "rprivate"],
    })))(spec);
  };
}

/** Real path of a mount point, and whether the mount is a directory or a file of the host. */
interface MountPlace {
  readonly target: string;
  readonly isOfHost: boolean;
}

function placeOf(
  files: RootFiles,
  { type, destination, source = "" }: Mount,
  bundle: string,
): MountPlace {
  const { real: target = cleanPath(destination) } = files.followMountPath(destination);
  return { target, isOfHost: type === "bind" && !source.startsWith(`${resolve(bundle)}/`) };
}

/**
 * Whether a mount is at the path of a file, or has a directory of the host at a parent directory,
 * also through symlinks of the image.
 */
function providesFile(files: RootFiles, places: readonly MountPlace[], path: string): boolean {
  const { real = cleanPath(path), passed } = files.followMountPath(path);
  // A symlink below the mount point is hidden by what is mounted.
  return places.some(({ target, isOfHost }) => {
    return real === target || isOfHost && [real, ...passed].some((at) => isBelow(at, target));
  });
}

/** Returns the path in the bundle of a file that is mounted into the container. */
function nameFile(directory: string, path: string): string {
  return resolve(`${directory}${path.slice("/etc".length)}`);
}

function writeNameFiles(
  directory: string,
  { hostname, mounts }: ContainerSpec,
  owner: Owner | undefined,
): void {
  const write = (path: string, text: string) => {
    const file = nameFile(directory, path);
    if (mounts.every(({ source }) => source !== file)) return;
    swapFile(file, [new TextEncoder().encode(text)]);
    // Every user of the container must be able to read it, whatever the umask of this process.
    Deno.chmodSync(file, 0o644);
    if (owner !== undefined) Deno.chownSync(file, owner.uid, owner.gid);
  };
  const own = hostname === undefined ? "" : `127.0.0.1 ${hostname}\n`;
  write(HOSTS, `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${own}`);
  write(HOSTNAME, `${hostname}\n`);
}

/**
 * Writes a runtime configuration to a file. Replaces an existing file atomically, so that a runtime
 * reads either the old or the new configuration.
 *
 * @param path Path of the file, usually `BUNDLE/config.json`.
 * @param spec The configuration.
 *
 * @example Write a configuration
 * ```ts
 * import { newSpec, withArgs } from "@x/oci/spec";
 * import { writeSpec } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await writeSpec("./config.json", newSpec(withArgs(["/bin/true"])));
 *
 * const { process } = JSON.parse(await Deno.readTextFile("./config.json"));
 * assertEquals(process.args, ["/bin/true"]);
 * ```
 */
export async function writeSpec(path: string, spec: RuntimeSpec): Promise<void> {
  checkPath("write the configuration of a bundle", path);
  const bytes = new TextEncoder().encode(formatSpec(spec));
  await Promise.try(() => swapFile(path, [bytes]));
}
