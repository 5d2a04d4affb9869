import { cleanPath, parentPath } from "../../layer/trees/clean_path.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { resolve } from "../../spec/paths.ts";
import type { Mount } from "../../spec/runtime/runtime_spec.ts";
import type { ContainerSpec, SpecOption } from "../../spec/runtime/spec_option.ts";
import { ensureVolumeDirectories, MAX_VOLUMES, realDirectory } from "./_root_files.ts";

/**
 * Adds volumes without a name: directories of the container that stay writable if its root file
 * system is read-only, and keep the files of the image if something is mounted above them.
 *
 * @param paths Absolute paths in the container.
 */
export function withVolumes(paths: readonly string[]): SpecOption {
  return (spec) => {
    const volumes = [...spec.pending.volumes ?? [], ...paths];
    return { ...spec, pending: { ...spec.pending, volumes } };
  };
}

/**
 * Creates the directories of volumes, and mounts those that would otherwise be read-only or hidden.
 *
 * @param tree The root file system.
 * @param ofImage Volumes of the image. They are directories of a writable root file system.
 */
export function mountVolumes(tree: FileTree, ofImage: readonly string[]): SpecOption {
  return (spec) => {
    const { volumes = [] } = spec.pending;
    ensureVolumeDirectories(tree, [...volumes, ...ofImage]);
    const writable = spec.root.readonly
      ? ofImage.slice(0, MAX_VOLUMES).filter((path) => !isInKernelFiles(spec, path))
      : [];
    const paths = new Set([...volumes, ...writable].map(cleanPath));
    const mounts = [...paths].flatMap((path) => {
      const isUsed = spec.mounts.some(({ destination }) => cleanPath(destination) === path);
      const real = isUsed ? undefined : realDirectory(tree, path);
      return real ? [volumeMount(path, resolve(tree.root, real))] : [];
    });
    return { ...spec, mounts: mounts.reduce(insertMount, spec.mounts) };
  };
}

/** A directory of the root file system, mounted at its own path. */
function volumeMount(path: string, source: string): Mount {
  return { destination: `/${path}`, type: "bind", source, options: ["rbind", "rprivate", "rw"] };
}

/** Whether a path is in a file system of the kernel, such as `/proc`. */
function isInKernelFiles({ mounts }: ContainerSpec, path: string): boolean {
  return mounts.some(({ type, destination }) => type !== "bind" && isBelow(path, destination));
}

/** Inserts a mount before those below it, which it would hide. */
function insertMount(mounts: readonly Mount[], added: Mount): readonly Mount[] {
  const at = mounts.findIndex(({ destination }) => isBelow(destination, added.destination));
  return at < 0 ? [...mounts, added] : mounts.toSpliced(at, 0, added);
}

function isBelow(path: string, directory: string): boolean {
  return `/${parentPath(cleanPath(path))}/`.startsWith(`/${cleanPath(directory)}/`);
}
