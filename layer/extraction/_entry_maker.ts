import { LimitError } from "../../spec/errors.ts";
import { copyEntry } from "../trees/copy_entry.ts";
import type { Directory, EntryLocation } from "./_directory_tree.ts";
import { DEFAULT_ACL, type EntryMetadata } from "./_entry_metadata.ts";
import type { LayerTree } from "./_layer_tree.ts";
import { errorCode } from "../linux/native_error.ts";
import { describePlace, ExtractError, type ExtractPlace, PathEscapeError } from "../errors.ts";
import { cleanPath } from "../trees/clean_path.ts";
import type { ReportBuilder } from "./extract_report.ts";
import type { FileTree, FileType, TreeEntry, TreeFile } from "../trees/file_tree.ts";
import type { TarHeader } from "../tar/tar_header.ts";

/** Why a file system may refuse a hard link that another would make. */
const NO_LINK: ReadonlySet<string> = new Set(["EPERM", "EXDEV", "EMLINK", "EOPNOTSUPP"]);
/** Default access control lists wait in memory until all else is done. */
const MAX_ACL_BYTES = 16_777_216;

/** What an {@linkcode EntryMaker} works with. */
export interface EntryMakerParts {
  readonly tree: FileTree;
  readonly names: LayerTree;
  readonly metadata: EntryMetadata;
  readonly report: ReportBuilder;
  /** Whether the tree holds lower layers as well. */
  readonly stacked: boolean;
  readonly keepDirlinks: boolean;
}

/** Makes the entries of a layer, each in the place of whatever is there. */
export class EntryMaker {
  readonly #tree: FileTree;
  readonly #names: LayerTree;
  readonly #metadata: EntryMetadata;
  readonly #report: ReportBuilder;
  readonly #stacked: boolean;
  readonly #keepDirlinks: boolean;
  /** The entry that is being made. */
  #place: ExtractPlace = { path: "", offset: 0 };
  #aclBytes = 0;

  constructor({ tree, names, metadata, report, stacked, keepDirlinks }: EntryMakerParts) {
    this.#tree = tree;
    this.#names = names;
    this.#metadata = metadata;
    this.#report = report;
    this.#stacked = stacked;
    this.#keepDirlinks = keepDirlinks;
  }

  /** Makes an entry at a clean path; a file is given back open, to be written. */
  make(header: TarHeader, path: string, place: ExtractPlace): TreeFile | undefined {
    this.#place = place;
    if (path === "") {
      this.#makeRoot(header);
      return undefined;
    }
    const slash = path.lastIndexOf("/");
    const parent = this.#names.directories.make(path.slice(0, Math.max(slash, 0)));
    const location = parent.locate(path.slice(slash + 1), path);
    const { type } = header;
    if (type === "file") {
      return this.#replace(location, () => this.#tree.createFile(location.path, header.mode));
    }
    if (type === "directory") this.#makeDirectory(header, location);
    else if (type === "symlink") this.#makeSymlink(header, location);
    else if (type === "hardlink") this.#makeHardLink(header, location);
    else this.#makeNode(header, type, location);
    return undefined;
  }

  #makeRoot(header: TarHeader): void {
    if (header.type !== "directory") {
      throw new PathEscapeError(this.#place, `a ${header.type} cannot take the place of the root`);
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
    directory.mode = header.mode;
    directory.mtime = header.mtime;
    directory.mtimeNs = header.mtimeNs;
    directory.isModeDue = directory.isTimeDue = true;
    const acl = header.xattrs.get(DEFAULT_ACL);
    if (acl !== undefined) this.#countAcl(acl);
    this.#names.keepDefaultAcl(directory, acl);
    if (!directory.isBare) this.#metadata.clearXattrs(entry, !this.#stacked);
    directory.isBare = false;
    this.#metadata.setDirectory(entry, header, this.#place);
  }

  #makeSymlink(header: TarHeader, location: EntryLocation): void {
    const target = header.linkname;
    if (target === "") throw new ExtractError(this.#place, "a symbolic link must say where to");
    this.#replace(location, () => this.#tree.makeSymlink(location.path, target) || undefined);
    using entry = this.#tree.open(location.path);
    this.#metadata.set(entry, header, this.#place);
  }

  #makeHardLink(header: TarHeader, location: EntryLocation): void {
    const target = this.#findTarget(header.linkname);
    if (target === location.path) {
      // The name is a link to itself: what it says is so already.
      this.#names.claim(location);
      return;
    }
    try {
      this.#replace(location, () => this.#makeLink(location.path, target));
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") throw this.#missingTarget(header.linkname, error);
      if (code === undefined || !NO_LINK.has(code)) throw error;
      copyEntry(this.#tree, target, this.#tree, location.path);
      this.#names.claim(location);
      this.#report.skip(header.path, `hard link to "${target}": ${code}; it is a copy`);
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

  /** The path of a hard link's target; its last part is not followed. */
  #findTarget(linkname: string): string {
    const { path, climbs } = cleanPath(linkname);
    const said = `its hard link's target ${JSON.stringify(linkname)}`;
    if (climbs) throw new PathEscapeError(this.#place, `${said} climbs above the root`);
    const slash = path.lastIndexOf("/");
    const directory = this.#names.directories.find(path.slice(0, Math.max(slash, 0)));
    const name = path.slice(slash + 1);
    const target = directory?.locate(name, path).path;
    if (target === undefined || this.#names.isWhiteout(target)) throw this.#missingTarget(linkname);
    const status = this.#tree.status(target);
    if (status === undefined) throw this.#missingTarget(linkname);
    if (status.type === "directory") throw new ExtractError(this.#place, `${said} is a directory`);
    return target;
  }

  #missingTarget(linkname: string, cause?: unknown): ExtractError {
    const state = `its hard link's target ${JSON.stringify(linkname)} is missing`;
    return new ExtractError(this.#place, state, { cause });
  }

  #makeNode(header: TarHeader, type: FileType, location: EntryLocation): void {
    const { devmajor, devminor } = header;
    if (type !== "fifo" && !isDeviceNumber(devmajor, devminor)) {
      const state = `there is no device ${devmajor}:${devminor}`;
      throw new ExtractError(this.#place, `${state}; the most is 4095:1048575`);
    }
    let reason = "the overlay file system would take it as a whiteout";
    const isWhiteout = type === "character-device" && devmajor === 0 && devminor === 0;
    if (this.#stacked || !isWhiteout) {
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
        reason = error.message;
      }
    }
    using file = this.#replace(location, () => this.#tree.createFile(location.path));
    this.#metadata.set(file, header, this.#place);
    this.#report.skip(header.path, `${type}: ${reason}; an empty file stands for it`);
  }

  /** Makes something at a location, in the place of whatever is there. */
  #replace<T>(location: EntryLocation, make: () => T | undefined): T {
    let made = make();
    if (made === undefined) {
      this.#names.vacate(location);
      made = make();
    }
    if (made === undefined) {
      throw new ExtractError(this.#place, "something else takes its place again and again");
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

/** Of more than 12 and 20 bits Linux would take some, and make another device of them. */
function isDeviceNumber(devmajor: number, devminor: number): boolean {
  return devmajor >= 0 && devmajor < 4096 && devminor >= 0 && devminor < 1_048_576;
}
