import type { Owner } from "../../layer/extraction/ownership.ts";
import type { FileTree, TreeReader } from "../../layer/trees/file_tree.ts";
import { OpenedDirectories } from "../../layer/trees/opened_directories.ts";
import { unlessThrown } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { BundleError } from "../errors.ts";
import { type FollowedPath, followPath, type FollowPathOptions } from "../host/follow_path.ts";

/** Maximum size of `passwd` or `group`: 10 MiB, as in containerd and CRI-O. */
const MAX_TEXT_BYTES = 10_485_760;

/** Maximum number of volumes for which directories are created, or that are mounted. */
export const MAX_VOLUMES = 1000;
/** Maximum total number of components of their paths, each of which may be a directory to create. */
const MAX_VOLUME_LEVELS = 1024;
/**
 * Maximum total number of components in the targets of symlinks that lookups follow: each path can
 * pass 40 symlinks with 2048 components.
 */
const MAX_LINK_LEVELS = 65_536;

/** Looks up files in the root file system of a bundle, and creates directories in it. */
export class RootFiles {
  /** The root file system. */
  readonly tree: FileTree;
  #linkLevels = 0;

  constructor(tree: FileTree) {
    this.tree = tree;
  }

  /** Reads a text file; empty if it does not exist. */
  readText(path: string): string {
    // The modes of an image's directories may deny access to a user other than root.
    using directories = new OpenedDirectories(this.tree);
    const { real } = this.#follow(directories, path);
    const status = real === undefined ? undefined : directories.status(real);
    // A device or a pipe may be endless.
    if (real === undefined || status?.type !== "file") return "";
    checkTextSize(path, status.size);
    using file = openText(this.tree, real);
    const bytes = new Uint8Array(status.size);
    let length = 0;
    while (length < bytes.length) {
      const count = file.read(bytes.subarray(length));
      if (count === 0) break;
      length += count;
    }
    return new TextDecoder().decode(bytes.subarray(0, length));
  }

  /** Whether a path is a directory or does not exist. */
  mayBeDirectory(path: string): boolean {
    using directories = new OpenedDirectories(this.tree);
    const { real } = this.#follow(directories, path);
    return real === undefined || directories.status(real)?.type === "directory";
  }

  /** Returns the real path of a directory; `undefined` for anything else. */
  realDirectory(path: string): string | undefined {
    using directories = new OpenedDirectories(this.tree);
    const { real } = this.#follow(directories, path);
    return real !== undefined && directories.status(real)?.type === "directory" ? real : undefined;
  }

  /** Finds where a runtime mounts at a path: it creates whatever does not exist. */
  followMountPath(path: string): FollowedPath {
    using directories = new OpenedDirectories(this.tree);
    return this.#follow(directories, path, () => true);
  }

  /**
   * Creates the directories of volumes. Programs expect them, but the layers need not have them. A
   * file in the place of a directory stays.
   */
  ensureVolumeDirectories(volumes: readonly string[], owner?: Owner): void {
    let levels = 0;
    for (const path of volumes.slice(0, MAX_VOLUMES)) {
      levels += path.split("/").length;
      if (levels > MAX_VOLUME_LEVELS) return;
      unlessThrown(() => this.ensureDirectory(path, owner), BundleError);
    }
  }

  /**
   * Creates a directory, with its parents, if it does not exist.
   *
   * @param owner Owner of the directories that are created; by default, the user of this process.
   */
  ensureDirectory(path: string, owner?: Owner): void {
    const { tree } = this;
    // The root user of a container may write where the modes deny it to the user of this process.
    using directories = new OpenedDirectories(tree);
    const made: string[] = [];
    const missing = (path: string) => {
      directories.makeDirectory(path);
      using directory = tree.open(path);
      if (owner !== undefined) directory.setOwner(owner.uid, owner.gid);
      directory.setMode(0o755);
      made.push(path);
      return true;
    };
    const { real } = this.#follow(directories, path, missing);
    for (const path of made) {
      using directory = tree.open(path);
      // Like a directory that no layer describes.
      directory.setTimes(0, 0);
    }
    if (real !== undefined && directories.status(real)?.type === "directory") return;
    throw new BundleError("it is not a directory in the image", tree.root, {
      code: "working-directory",
      action: `run in "${path}"`,
      subject: path,
      advice: "Choose another working directory",
      option: "cwd",
    });
  }

  #follow(
    directories: OpenedDirectories,
    path: string,
    missing?: FollowPathOptions["missing"],
  ): FollowedPath {
    const status = (path: string) => directories.status(path);
    const readLink = (path: string) => {
      const target = directories.readLink(path);
      this.#linkLevels += target.split("/").length;
      if (this.#linkLevels > MAX_LINK_LEVELS) {
        throw new LimitError(
          "components in the targets of symlinks",
          MAX_LINK_LEVELS,
          this.#linkLevels,
          "the paths that the container uses",
        );
      }
      return target;
    };
    return followPath({ status, readLink }, path, { followLast: true, missing });
  }
}

/** Opens a file even if its mode denies its owner access. */
function openText(tree: FileTree, path: string): TreeReader {
  try {
    return tree.openFile(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.PermissionDenied)) throw error;
    const { mode = 0 } = tree.status(path) ?? {};
    using entry = tree.open(path);
    entry.setMode(mode | 0o400);
    try {
      return tree.openFile(path);
    } finally {
      entry.setMode(mode);
    }
  }
}

/**
 * Checks the size of a text file in an image.
 *
 * @throws {LimitError} If it is too large.
 */
export function checkTextSize(path: string, size: number): void {
  if (size <= MAX_TEXT_BYTES) return;
  throw new LimitError("bytes", MAX_TEXT_BYTES, size, `the image's "${path}"`);
}
