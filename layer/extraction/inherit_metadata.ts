import { LinkFreePaths } from "../trees/link_free_paths.ts";
import { copyDirectoryMetadata } from "../trees/directory_metadata.ts";
import { parentPath } from "../trees/clean_path.ts";
import { type ExtractReport, MAX_IMPLIED_DIRECTORIES } from "./extract_report.ts";
import type { FileStatus, FileTree } from "../trees/file_tree.ts";
import { isOverlayXattr } from "../trees/host_xattrs.ts";
import type { OverlayWhiteoutOptions } from "./whiteout_handler.ts";

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
  using plain = new LinkFreePaths(below, "");
  if (!impliedDirectories.every((path) => plain.has(path))) return false;
  const opaque = new OpaquePaths(tree, namespace);
  const adopted = new Map<string, FileStatus>();
  for (const path of undescribedDirectories) {
    // The layer may have replaced it, or it may be new.
    const status = opaque.isIn(path) ? undefined : below.status(path);
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
  "impliedDirectories" | "undescribedDirectories" | "hidingDirectories"
>;

/** Finds paths in opaque directories. */
class OpaquePaths {
  readonly #tree: FileTree;
  readonly #mark: string;
  readonly #known = new Map<string, boolean>([["", false]]);

  constructor(tree: FileTree, namespace: string) {
    this.#tree = tree;
    this.#mark = `${namespace}.overlay.opaque`;
  }

  /** Whether a path is in an opaque directory. */
  isIn(path: string): boolean {
    return this.#hides(parentPath(path));
  }

  #hides(path: string): boolean {
    const known = this.#known.get(path);
    if (known !== undefined) return known;
    const hides = this.isIn(path) || this.#isMarked(path);
    this.#known.set(path, hides);
    return hides;
  }

  #isMarked(path: string): boolean {
    if (this.#tree.status(path)?.type !== "directory") return false;
    using entry = this.#tree.open(path);
    // "x" only means that the directory contains whiteouts.
    return entry.getXattr(this.#mark)?.[0] === "y".charCodeAt(0);
  }
}
