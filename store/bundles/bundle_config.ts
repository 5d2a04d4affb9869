import type { FileTree } from "../../layer/trees/file_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { withMounts, withRootFS } from "../../spec/options/filesystem_options.ts";
import { withImageConfig } from "../../spec/options/image_options.ts";
import { formatSpec, newSpec } from "../../spec/options/new_spec.ts";
import { withDefaultSeccomp } from "../../spec/options/seccomp_profile.ts";
import { dirname, resolve } from "../../spec/paths.ts";
import { formatPlatform } from "../../spec/platform.ts";
import type { RuntimeSpec } from "../../spec/runtime/runtime_spec.ts";
import type { SpecOption } from "../../spec/runtime/spec_option.ts";
import { BundleError } from "../errors.ts";
import { swapFile } from "../host/files.ts";
import type { Image } from "../images/image.ts";
import { CONFIG } from "./_bundle_mark.ts";
import {
  ensureRootDirectory,
  ensureVolumeDirectories,
  mayBeDirectory,
  readRootText,
} from "./_root_files.ts";

/** Name of the directory of a bundle that contains the files of the image. */
export const ROOTFS = "rootfs";

/** The hosts file of a container. */
const HOSTS = "/etc/hosts";

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

/**
 * Writes the `config.json` of a bundle whose root file system exists, and creates its working
 * directory and the directories of its volumes. A container without a network gets a hosts file
 * with its own names, unless the image has one.
 */
export async function writeBundleConfig(
  directory: string,
  image: Image,
  options: readonly SpecOption[],
): Promise<void> {
  using tree = openFileTree(`${directory}/${ROOTFS}`);
  const hosts = resolve(`${directory}/hosts`);
  const passwd = readRootText(tree, "/etc/passwd");
  const group = readRootText(tree, "/etc/group");
  // Not the architecture of the image, because system calls have the numbers of this machine.
  const architecture = HOST_ARCHITECTURES[Deno.build.arch];
  const spec = newSpec(
    withRootFS(ROOTFS),
    withImageConfig(image.config.value, passwd, group, { image: image.digest }),
    ...architecture === undefined ? [] : [withDefaultSeccomp(architecture)],
    ...options,
    withHostsFile(tree, hosts),
  );
  ensureVolumeDirectories(tree, image.config.value.config.Volumes ?? []);
  // A runtime creates missing directories with the umask of this process, so that other users of
  // the container might not reach the mounts in them.
  const binds = spec.mounts.filter(({ type, source }) => type === "bind" && source !== hosts);
  ensureVolumeDirectories(tree, binds.map(({ destination }) => dirname(destination)));
  ensureRootDirectory(tree, spec.process?.cwd ?? "/");
  if (spec.mounts.some(({ source }) => source === hosts)) writeHosts(hosts, spec);
  await writeSpec(`${directory}/${CONFIG}`, spec);
}

/** Mounts a hosts file unless the container has one or shares a network. */
function withHostsFile(tree: FileTree, source: string): SpecOption {
  const mount = { destination: HOSTS, type: "bind", source, options: ["bind", "rprivate"] };
  return (spec) => {
    const { linux: { namespaces = [] }, mounts } = spec;
    const isAlone = namespaces.some(({ type, path }) => type === "network" && path === undefined);
    const isNamed = mounts.some(({ destination }) => destination === HOSTS);
    if (!isAlone || isNamed || readRootText(tree, HOSTS) !== "") return spec;
    return mayBeDirectory(tree, "/etc") ? withMounts([mount])(spec) : spec;
  };
}

function writeHosts(path: string, { hostname }: Pick<RuntimeSpec, "hostname">): void {
  const own = hostname ? `127.0.0.1 ${hostname}\n` : "";
  const text = `127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n${own}`;
  swapFile(path, [new TextEncoder().encode(text)]);
  // Every user of the container reads it, whatever the umask of this process.
  Deno.chmodSync(path, 0o644);
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
  const bytes = new TextEncoder().encode(formatSpec(spec));
  await Promise.try(() => swapFile(path, [bytes], { mode: 0o666 }));
}
