import { openFileTree } from "../../layer/disk/open_tree.ts";
import type { Owner } from "../../layer/extraction/ownership.ts";
import { cleanPath, isBelow } from "../../layer/trees/clean_path.ts";
import type { FileTree } from "../../layer/trees/file_tree.ts";
import { resolve } from "../../spec/paths.ts";
import type { Mount } from "../../spec/runtime/runtime_spec.ts";
import type { ContainerSpec, SpecOption } from "../../spec/runtime/spec_option.ts";
import { MAX_VOLUMES, type RootFiles } from "./_root_files.ts";

/** Name of the directory of a bundle that contains the copies of volumes. */
const VOLUMES = "volumes";

/** A volume to copy from the root file system to the bundle, by paths in both. */
export interface VolumeCopy {
  readonly from: string;
  readonly to: string;
}

/**
 * Adds anonymous volumes: directories of the container that stay writable if its root file system
 * is read-only, and keep the files of the image if a parent directory is a mount point.
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
 * Adds the volumes that {@linkcode copyVolumes} must copy to `copies`.
 *
 * The source of a volume is its directory in the root file system only if no container can replace
 * that directory or a parent. The runtime follows symlinks in a source, so a container could make
 * the next one that runs the bundle mount any directory of the host.
 *
 * @param files The root file system.
 * @param directory Directory of the bundle.
 * @param ofImage Volumes of the image. They are directories of a writable root file system.
 * @param owner Owner of the directories that are created; by default, the user of this process.
 */
export function mountVolumes(
  files: RootFiles,
  directory: string,
  ofImage: readonly string[],
  copies: VolumeCopy[],
  owner?: Owner,
): SpecOption {
  return (spec) => {
    const { volumes = [] } = spec.pending;
    files.ensureVolumeDirectories([...volumes, ...ofImage], owner);
    const isReadOnly = spec.root.readonly === true;
    const writable = isReadOnly
      ? ofImage.slice(0, MAX_VOLUMES).filter((path) => !isInKernelFiles(spec, path))
      : [];
    const paths = [...new Set([...volumes, ...writable].map(cleanPath))];
    // Resolving a path once suffices: each volume is compared with all mounts.
    const known = new Map<string, string | undefined>();
    const realOf = (path: string) => {
      return known.getOrInsertComputed(path, () => files.realDirectory(path));
    };
    // Those closer to the root first, because a container can write to what is in them.
    const levels = (path: string) => realOf(path)?.split("/").length ?? 0;
    let mounts = spec.mounts;
    for (const path of paths.toSorted((a, b) => levels(a) - levels(b))) {
      if (mounts.some(({ destination }) => cleanPath(destination) === path)) continue;
      const real = realOf(path);
      if (!real) continue;
      // A mount at a parent directory would also hide the source.
      const isHidden = mounts.some(({ destination }) => {
        const target = cleanPath(destination);
        return isBelow(path, target) || isBelow(real, realOf(destination) ?? target);
      });
      let source = `${files.tree.root}/${real}`;
      if (isHidden || !isReadOnly) {
        const to = `${VOLUMES}/${crypto.randomUUID()}`;
        copies.push({ from: real, to });
        source = `${directory}/${to}`;
      }
      mounts = insertMount(mounts, volumeMount(path, resolve(source)));
    }
    return { ...spec, mounts };
  };
}

/** Copies volumes to the bundle. Loads the code on demand, since few bundles need it. */
export async function copyVolumes(
  tree: FileTree,
  directory: string,
  copies: readonly VolumeCopy[],
  signal?: AbortSignal,
): Promise<void> {
  if (copies.length === 0) return;
  const { copyTree } = await import("../../layer/trees/copy_tree.ts");
  const { EntryCopier } = await import("../../layer/trees/entry_copier.ts");
  using bundle = openFileTree(directory);
  bundle.makeDirectory(VOLUMES);
  const copier = new EntryCopier();
  for (const { from, to } of copies) await copyTree(tree, from, bundle, to, { copier, signal });
}

function volumeMount(path: string, source: string): Mount {
  return { destination: `/${path}`, type: "bind", source, options: ["rbind", "rprivate", "rw"] };
}

/** Whether a path is in a file system of the kernel, such as `/proc`. */
function isInKernelFiles({ mounts }: ContainerSpec, path: string): boolean {
  const clean = cleanPath(path);
  return mounts.some(({ type, destination }) => {
    return type !== "bind" && isBelow(clean, cleanPath(destination));
  });
}

/** Inserts a mount before those below it, which it would hide. */
function insertMount(mounts: readonly Mount[], added: Mount): readonly Mount[] {
  const target = cleanPath(added.destination);
  const at = mounts.findIndex(({ destination }) => isBelow(cleanPath(destination), target));
  return at < 0 ? [...mounts, added] : mounts.toSpliced(at, 0, added);
}
