import { errorCode } from "../../spec/error_facts.ts";
import { LimitError } from "../../spec/errors.ts";
import { describePlace, ExtractError, type ExtractPlace, PathEscapeError } from "../errors.ts";
import { describeCause } from "../linux/native_error.ts";
import type { TarHeader } from "../tar/tar_header.ts";
import { checkPathSize, cleanPath, leafName, parentPath } from "../trees/clean_path.ts";
import { EntryCopier, NO_LINK } from "../trees/entry_copier.ts";
import type { FileTree, FileType, TreeEntry, TreeFile } from "../trees/file_tree.ts";
import { DEFAULT_ACL } from "../trees/host_xattrs.ts";
import type { Directory, EntryLocation } from "./_directory.ts";
import type { EntryMetadata } from "./_entry_metadata.ts";
import type { LayerNames } from "./_layer_names.ts";
import type { ReportBuilder } from "./extract_report.ts";
import { reasonOfTaken } from "./spellings.ts";

/** Maximum size of the default ACLs, which are kept in memory until the end. */
const MAX_ACL_BYTES = 16_777_216;

/** Objects and options that an {@linkcode EntryMaker} shares with the extractor. */
export interface EntryMakerParts {
  readonly tree: FileTree;
  readonly names: LayerNames;
  readonly metadata: EntryMetadata;
  readonly report: ReportBuilder;
  readonly keepDirlinks: boolean;
}

/** Creates the entries of a layer, which replace existing ones. */
export class EntryMaker {
  readonly #tree: FileTree;
  readonly #names: LayerNames;
  readonly #metadata: EntryMetadata;
  readonly #report: ReportBuilder;
  readonly #keepDirlinks: boolean;
  readonly #copier = new EntryCopier();
  /** Position of the current entry. */
  #place: ExtractPlace = { path: "", offset: 0 };
  #aclBytes = 0;

  constructor({ tree, names, metadata, report, keepDirlinks }: EntryMakerParts) {
    this.#tree = tree;
    this.#names = names;
    this.#metadata = metadata;
    this.#report = report;
    this.#keepDirlinks = keepDirlinks;
  }

  /** Creates an entry at a clean path. Returns a file open for writing. */
  make(header: TarHeader, path: string, place: ExtractPlace): TreeFile | undefined {
    this.#place = place;
    if (path === "") {
      this.#makeRoot(header);
      return undefined;
    }
    const location = this.#names.directories.make(parentPath(path)).locate(leafName(path), path);
    const { type } = header;
    if (this.#isTaken(location, header)) return undefined;
    if (type === "file") {
      return this.#replace(location, () => this.#tree.createFile(location.path, header.mode));
    }
    if (type === "directory") this.#makeDirectory(header, location);
    else if (type === "symlink") this.#makeSymlink(header, location);
    else if (type === "hardlink") this.#makeHardLink(header, location);
    else this.#makeNode(header, type, location);
    return undefined;
  }

  /** Whether another entry has the name in this file system. Two directories become one. */
  #isTaken(location: EntryLocation, { path, type }: TarHeader): boolean {
    const other = this.#names.spellings.other(location);
    if (other === undefined) return false;
    this.#report.skip(path, reasonOfTaken(other));
    return type !== "directory" || this.#tree.status(location.path)?.type !== "directory";
  }

  #makeRoot(header: TarHeader): void {
    const { path, type } = header;
    if (type !== "directory") {
      const problem = `a ${type} cannot replace the root directory`;
      const isSpelledOut = path !== "" && !path.includes("..");
      if (isSpelledOut) throw new PathEscapeError(this.#place, problem);
      // The entry has no name, or one that leaves the root. containerd ignores it as well.
      this.#report.skip(path, problem);
      return;
    }
    using entry = this.#tree.open("");
    this.#describe(this.#names.directories.root, entry, header);
  }

  #makeDirectory(header: TarHeader, location: EntryLocation): void {
    const directory = this.#names.makeDirectory(location, this.#keepDirlinks);
    this.#names.change(location);
    using entry = this.#tree.open(directory.path);
    this.#describe(directory, entry, header);
    this.#names.settle(location, directory, entry);
  }

  #describe(directory: Directory, entry: TreeEntry, header: TarHeader): void {
    directory.hasEntry = true;
    this.#report.describe(directory.path);
    directory.touch();
    directory.describe(header);
    const acl = header.xattrs.get(DEFAULT_ACL);
    if (acl !== undefined) this.#countAcl(acl);
    this.#names.keepDefaultAcl(directory, acl);
    if (!directory.isBare) this.#metadata.clearXattrs(entry);
    directory.isBare = false;
    this.#metadata.setDirectory(entry, header, this.#place);
  }

  #makeSymlink(header: TarHeader, location: EntryLocation): void {
    const target = header.linkname;
    if (target === "") throw new ExtractError(this.#place, "the symbolic link has no target");
    this.#replace(location, () => this.#tree.makeSymlink(location.path, target) || undefined);
    using entry = this.#tree.open(location.path);
    this.#metadata.set(entry, header, this.#place);
  }

  #makeHardLink(header: TarHeader, location: EntryLocation): void {
    const target = this.#findTarget(header.linkname);
    if (target === location.path) {
      // A hard link to itself changes nothing.
      this.#names.claim(location);
      return;
    }
    try {
      this.#replace(location, () => this.#makeLink(location.path, target));
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") throw this.#missingTarget(header.linkname, error);
      if (code === undefined || !NO_LINK.has(code)) throw error;
      this.#copier.copy(this.#tree, target, this.#tree, location.path);
      this.#names.claim(location);
      this.#report.skip(
        header.path,
        `hard link to "${target}": ${describeCause(error as Error)}; it was copied instead`,
      );
    }
  }

  #makeLink(path: string, target: string): true | undefined {
    try {
      this.#tree.makeLink(path, target);
      return true;
    } catch (error) {
      if (errorCode(error) === "EEXIST") return undefined;
      throw error;
    }
  }

  /**
   * Returns the path of a hard link's target. Like any name in the archive, it is relative to the
   * root and cannot leave it. Its last component is not followed.
   */
  #findTarget(linkname: string): string {
    const path = cleanPath(linkname);
    const said = `the target of the hard link, ${JSON.stringify(linkname)},`;
    const directory = this.#names.directories.find(parentPath(path));
    const target = directory?.locate(leafName(path), path).path;
    if (target === undefined || this.#names.isWhiteout(target)) throw this.#missingTarget(linkname);
    const status = this.#tree.status(target);
    if (status === undefined) throw this.#missingTarget(linkname);
    if (status.type === "directory") throw new ExtractError(this.#place, `${said} is a directory`);
    return target;
  }

  #missingTarget(linkname: string, cause?: unknown): ExtractError {
    const state = `the target of the hard link, ${JSON.stringify(linkname)}, does not exist`;
    return new ExtractError(this.#place, state, { cause });
  }

  #makeNode(header: TarHeader, type: FileType, location: EntryLocation): void {
    const { devmajor, devminor } = header;
    if (type !== "fifo" && !isDeviceNumber(devmajor, devminor)) {
      const problem = `its device number ${devmajor}:${devminor} exceeds 4095:1048575`;
      throw new ExtractError(this.#place, problem);
    }
    let reason = "the overlay file system would interpret it as a whiteout";
    const isWhiteout = type === "character-device" && devmajor === 0 && devminor === 0;
    if (this.#names.isStacked || !isWhiteout) {
      try {
        this.#replace(
          location,
          () => this.#tree.makeNode(location.path, type, devmajor, devminor) || undefined,
        );
        using entry = this.#tree.open(location.path);
        this.#metadata.set(entry, header, this.#place);
        return;
      } catch (error) {
        if (
          !(error instanceof Deno.errors.PermissionDenied) &&
          !(error instanceof Deno.errors.NotSupported)
        ) throw error;
        reason = describeCause(error);
      }
    }
    using file = this.#replace(location, () => this.#tree.createFile(location.path));
    this.#metadata.set(file, header, this.#place);
    this.#report.skip(
      header.path,
      `${type.replace("-", " ")}: ${reason}; an empty file replaces it`,
    );
  }

  /** Creates an entry at a location, and replaces an existing one. */
  #replace<T>(location: EntryLocation, make: () => T | undefined): T {
    checkPathSize(location.path);
    let made = make();
    if (made === undefined) {
      this.#names.vacate(location);
      made = make();
    }
    if (made === undefined) {
      throw new ExtractError(this.#place, "another process keeps creating an entry at its path");
    }
    this.#names.claim(location);
    return made;
  }

  #countAcl(value: Uint8Array): void {
    this.#aclBytes += value.length;
    if (this.#aclBytes <= MAX_ACL_BYTES) return;
    const subject = describePlace(this.#place);
    throw new LimitError("bytes of default ACLs", MAX_ACL_BYTES, this.#aclBytes, subject);
  }
}

/** Whether a device number is valid. Linux truncates larger ones (12-bit major, 20-bit minor). */
function isDeviceNumber(devmajor: number, devminor: number): boolean {
  return devmajor >= 0 && devmajor < 4096 && devminor >= 0 && devminor < 1_048_576;
}
