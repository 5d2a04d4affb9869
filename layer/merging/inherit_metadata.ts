import { type ExtractReport, MAX_IMPLIED_DIRECTORIES } from "../extraction/extract_report.ts";
import { isOpaque, type OverlayWhiteoutOptions } from "../extraction/whiteout_handler.ts";
import { parentPath } from "../trees/clean_path.ts";
import { copyDirectoryMetadata } from "../trees/directory_metadata.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";
import { isOverlayXattr } from "../trees/host_xattrs.ts";
import { linkFreePaths } from "../trees/link_free_paths.ts";
import { OpenedDirectories } from "../trees/opened_directories.ts";

/**
 * Copies metadata from the layers below to directories for which a layer has no entries. The layer
 * was extracted alone for an overlay; the result equals its extraction over the others.
 *
 * @param tree The layer, with whiteouts of `overlayWhiteouts()`.
 * @param below An overlay of the layers below.
 * @param report Report of the extraction.
 * @param options Namespace of the layer's whiteouts.
 * @returns Whether it was done. If one of the directories is not a directory below, for example a
 * symlink, nothing has changed and the layer must be extracted over the others.
 */
export function inheritMetadata(
  tree: FileTree,
  below: FileTree,
  report: ImpliedDirectories,
  { namespace = "trusted" }: Pick<OverlayWhiteoutOptions, "namespace"> = {},
): boolean {
  const { impliedDirectories, undescribedDirectories, hidingDirectories } = report;
  if (impliedDirectories.length >= MAX_IMPLIED_DIRECTORIES) return false;
  using lower = new OpenedDirectories(below);
  const isBelow = linkFreePaths((path) => lower.status(path)?.type);
  if (!impliedDirectories.every(isBelow)) return false;
  using own = new OpenedDirectories(tree);
  const isKept = linkFreePaths((path) => own.status(path)?.type);
  const isInOpaque = opaquePaths(tree, report.opaqueRoot, namespace);
  const adopted = new Map<string, FileStatus>();
  for (const path of undescribedDirectories) {
    // The layer may have replaced it or one of its parents, or it may be new.
    const status = !isKept(path) || isInOpaque(path) ? undefined : below.status(path);
    if (status !== undefined && tree.status(path)?.type === "directory") adopted.set(path, status);
  }
  if (!hidingDirectories.every((path) => adopted.has(path))) return false;
  for (const [path, status] of adopted) {
    using source = below.open(path);
    using directory = tree.open(path);
    copyDirectoryMetadata(source, directory, status, isOverlayXattr);
  }
  return true;
}

/** The part of a report about directories without entries. */
export type ImpliedDirectories = Pick<
  ExtractReport,
  "impliedDirectories" | "undescribedDirectories" | "hidingDirectories" | "opaqueRoot"
>;

/** Returns a function that tells whether a path is in an opaque directory. */
function opaquePaths(
  tree: FileTree,
  isRootOpaque: boolean,
  namespace: string,
): (path: string) => boolean {
  const known = new Map<string, boolean>([["", isRootOpaque]]);
  const hides = (path: string): boolean => {
    const result = known.get(path) ?? (hides(parentPath(path)) || isOpaque(tree, path, namespace));
    known.set(path, result);
    return result;
  };
  return (path) => hides(parentPath(path));
}
