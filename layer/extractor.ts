import { copyEntry } from "./_copy_entry.ts";
import type { Directory } from "./_directory_tree.ts";
import { DEFAULT_ACL, EntryMetadata, type XattrMode } from "./_entry_metadata.ts";
import { HoleWriter } from "./_hole_writer.ts";
import { LayerTree } from "./_layer_tree.ts";
import { errorCode } from "./_native_error.ts";
import { describePlace, ExtractError, type ExtractPlace, PathEscapeError } from "./errors.ts";
import { cleanPath } from "./extract_path.ts";
import { type ExtractReport, ReportBuilder } from "./extract_report.ts";
import type { FileTree, FileType, TreeFile } from "./file_tree.ts";
import { LimitError, OciError } from "../spec/mod.ts";
import { defaultOwnership, type Ownership } from "./ownership.ts";
import type { TarHeader, TarSink } from "./tar_header.ts";
import { parseWhiteout } from "./whiteout.ts";
import { removingWhiteouts, type WhiteoutHandler } from "./whiteout_handler.ts";

export type { XattrMode } from "./_entry_metadata.ts";

/**
 * Sees each entry before it is extracted, whiteouts included.
 *
 * @param header The entry as the archive has it.
 * @returns The entry to extract in its place, or `undefined` to leave it out.
 */
export type ExtractHandler = (header: TarHeader) => TarHeader | undefined;

/** Options for {@linkcode LayerExtractor}. */
export interface LayerExtractorOptions {
  /** Names the layer in errors, most often its digest. */
  readonly layer?: string;
  /**
   * What whiteouts become.
   *
   * @default {removingWhiteouts()}
   */
  readonly whiteouts?: WhiteoutHandler;
  /**
   * To whom files belong.
   *
   * @default `"strict"` for root, `"squash"` for everybody else.
   */
  readonly ownership?: Ownership;
  /**
   * What is done with extended attributes: `"on"` reports those that cannot be set as skipped,
   * `"strict"` fails, `"off"` sets none. `security.selinux` is never set.
   *
   * @default {"on"}
   */
  readonly xattrs?: XattrMode;
  /**
   * Whether a directory leaves a symbolic link in its place that leads to a directory.
   *
   * @default {false}
   */
  readonly keepDirlinks?: boolean;
  /** Sees each entry before it is extracted. */
  readonly handler?: ExtractHandler;
}

/** Why a file system may refuse a hard link that another would make. */
const NO_LINK: ReadonlySet<string> = new Set(["EPERM", "EXDEV", "EMLINK", "EOPNOTSUPP"]);
/** Default access control lists wait in memory until all else is done. */
const MAX_ACL_BYTES = 16_777_216;

/**
 * Extracts the entries of one layer into a tree, as a {@linkcode TarSink}.
 *
 * Names are taken as if the root were `/`: absolute ones and such with `..` stay inside, and so
 * do symbolic links in the parents of an entry. The last part of a name is never followed: what
 * is there is replaced, except that a directory over a directory keeps its content. A whiteout
 * hides what lower layers have, never what this layer has, wherever it stands. Directories
 * get their modes and times at the end, also those that were there before.
 *
 * It has no state but its own and waits for nothing, so it works the same in a worker.
 *
 * @example Extract a layer that is in memory
 * ```ts
 * import { LayerExtractor, openFileTree, TarParser } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const root = await Deno.makeTempDir();
 * using tree = openFileTree(root);
 * using extractor = new LayerExtractor(tree);
 * const parser = new TarParser(extractor);
 * parser.push(new Uint8Array(1024));
 * parser.finish();
 *
 * assertEquals(extractor.finish().entries, 0);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class LayerExtractor implements TarSink, Disposable {
  readonly #tree: FileTree;
  readonly #names: LayerTree;
  readonly #metadata: EntryMetadata;
  readonly #report = new ReportBuilder();
  readonly #layer: string | undefined;
  readonly #whiteouts: WhiteoutHandler;
  readonly #keepDirlinks: boolean;
  readonly #handler: ExtractHandler | undefined;
  #place: ExtractPlace;
  #file: TreeFile | undefined;
  #writer: HoleWriter | undefined;
  #header: TarHeader | undefined;
  #aclBytes = 0;
  #isFinished = false;

  /** Starts a layer over what the tree holds; the tree stays the caller's. */
  constructor(tree: FileTree, options: LayerExtractorOptions = {}) {
    const {
      layer,
      whiteouts = removingWhiteouts(),
      ownership = defaultOwnership(tree),
      xattrs = "on",
      keepDirlinks = false,
      handler,
    } = options;
    this.#tree = tree;
    this.#layer = layer;
    this.#whiteouts = whiteouts;
    this.#keepDirlinks = keepDirlinks;
    this.#handler = handler;
    this.#place = { layer, path: "", offset: 0 };
    this.#metadata = new EntryMetadata(ownership, xattrs, this.#report);
    this.#names = new LayerTree(tree, whiteouts, this.#metadata, this.#report);
  }

  /**
   * Makes an entry.
   *
   * @throws {ExtractError} If it cannot be made.
   */
  entry(header: TarHeader): void {
    this.#place = { layer: this.#layer, path: header.path, offset: header.offset };
    this.#report.count();
    const handled = this.#handler === undefined ? header : this.#handler(header);
    if (handled === undefined) return;
    try {
      this.#extract(handled);
    } catch (error) {
      throw this.#located(error);
    }
  }

  /**
   * Writes bytes of a file.
   *
   * @throws {ExtractError} If they cannot be written.
   */
  data(chunk: Uint8Array, offset: number): void {
    if (this.#writer === undefined) return;
    try {
      this.#writer.write(chunk, offset);
    } catch (error) {
      throw this.#located(error);
    }
  }

  /**
   * Gives a file its metadata.
   *
   * @throws {ExtractError} If it cannot be set.
   */
  end(): void {
    const file = this.#file;
    const header = this.#header;
    if (file === undefined || header === undefined) return;
    try {
      this.#writer?.finish(header.size);
      this.#metadata.set(file, header, this.#place);
    } catch (error) {
      throw this.#located(error);
    } finally {
      this.#closeFile();
    }
  }

  /**
   * Gives directories their modes and times. Call it once, after the last entry.
   *
   * @returns What was done.
   * @throws {ExtractError} If a directory's metadata cannot be set.
   */
  finish(): ExtractReport {
    this.#isFinished = true;
    try {
      this.#names.finish();
    } catch (error) {
      throw this.#located(error);
    }
    return this.#report.build();
  }

  /** Ends an extraction that failed: directories that were opened up are closed again. */
  [Symbol.dispose](): void {
    this.#closeFile();
    if (this.#isFinished) return;
    this.#isFinished = true;
    try {
      this.#names.finish();
    } catch {
      // The extraction has failed already, for a reason that is worth more.
    }
  }

  #closeFile(): void {
    this.#file?.[Symbol.dispose]();
    this.#file = this.#writer = this.#header = undefined;
  }

  #extract(header: TarHeader): void {
    const { path } = cleanPath(header.path);
    if (path.includes("\0") || header.linkname.includes("\0")) {
      throw new ExtractError(this.#place, "its name has a NUL byte");
    }
    if (this.#tree.backend === "pure" && !(path + header.linkname).isWellFormed()) {
      this.#report.skip(header.path, "its name is not UTF-8, which needs --allow-ffi");
      return;
    }
    if (this.#takeWhiteout(path)) return;
    if (path === "") return this.#extractRoot(header);
    const slash = path.lastIndexOf("/");
    const parent = this.#names.directories.make(path.slice(0, Math.max(slash, 0)));
    const name = path.slice(slash + 1);
    switch (header.type) {
      case "directory":
        return this.#extractDirectory(header, parent, name);
      case "file":
        return this.#extractFile(header, parent, name);
      case "symlink":
        return this.#extractSymlink(header, parent, name);
      case "hardlink":
        return this.#extractHardLink(header, parent, name);
      default:
        return this.#extractNode(header, header.type, parent, name);
    }
  }

  #takeWhiteout(path: string): boolean {
    const mark = parseWhiteout(path);
    if (mark.kind === "none") return false;
    if (mark.kind === "malformed") {
      throw new (mark.escapes ? PathEscapeError : ExtractError)(this.#place, mark.reason);
    }
    if (mark.kind === "whiteout") this.#names.hide(mark.directory, mark.name);
    if (mark.kind === "opaque") this.#names.hideAll(mark.directory);
    return true;
  }

  #extractRoot(header: TarHeader): void {
    if (header.type !== "directory") {
      throw new PathEscapeError(this.#place, `a ${header.type} cannot take the place of the root`);
    }
    this.#describe(this.#names.directories.root, header);
  }

  #extractDirectory(header: TarHeader, parent: Directory, name: string): void {
    this.#describe(this.#names.makeDirectory(parent, name, this.#keepDirlinks), header);
  }

  #describe(directory: Directory, header: TarHeader): void {
    directory.hasEntry = true;
    directory.touch();
    directory.mode = header.mode;
    directory.mtime = header.mtime;
    directory.mtimeNs = header.mtimeNs;
    directory.isModeDue = directory.isTimeDue = true;
    directory.defaultAcl = this.#holdAcl(header.xattrs.get(DEFAULT_ACL));
    using entry = this.#tree.open(directory.path);
    if (!directory.isBare) this.#metadata.clearXattrs(entry, !this.#whiteouts.stacked);
    directory.isBare = false;
    this.#metadata.setDirectory(entry, header, this.#place);
  }

  #extractFile(header: TarHeader, parent: Directory, name: string): void {
    const file = this.#replace(parent, name, (path) => this.#tree.createFile(path));
    this.#file = file;
    this.#writer = new HoleWriter(file);
    this.#report.addBytes(header.size);
    this.#header = header;
  }

  #extractSymlink(header: TarHeader, parent: Directory, name: string): void {
    const target = header.linkname;
    if (target === "") throw new ExtractError(this.#place, "a symbolic link must say where to");
    this.#replace(parent, name, (path) => this.#tree.makeSymlink(path, target) || undefined);
    using entry = this.#tree.open(parent.join(name));
    this.#metadata.set(entry, header, this.#place);
  }

  #extractHardLink(header: TarHeader, parent: Directory, name: string): void {
    const path = parent.join(name);
    const target = this.#findTarget(header.linkname);
    if (target === path) {
      // The name is a link to itself: what it says is so already.
      parent.claim(name);
      return;
    }
    try {
      this.#replace(parent, name, () => this.#makeLink(path, target));
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") throw this.#missingTarget(header.linkname, error);
      if (code === undefined || !NO_LINK.has(code)) throw error;
      copyEntry(this.#tree, target, this.#tree, path);
      parent.claim(name);
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
    const isThere = directory !== undefined && !directory.whiteouts?.has(name);
    const status = isThere ? this.#tree.status(directory.join(name)) : undefined;
    if (status === undefined || directory === undefined) throw this.#missingTarget(linkname);
    if (status.type === "directory") throw new ExtractError(this.#place, `${said} is a directory`);
    return directory.join(name);
  }

  #missingTarget(linkname: string, cause?: unknown): ExtractError {
    const state = `its hard link's target ${JSON.stringify(linkname)} is missing`;
    return new ExtractError(this.#place, state, { cause });
  }

  #extractNode(header: TarHeader, type: FileType, parent: Directory, name: string): void {
    const { devmajor, devminor } = header;
    let reason = "the overlay file system would take it as a whiteout";
    const isWhiteout = type === "character-device" && devmajor === 0 && devminor === 0;
    if (this.#whiteouts.stacked || !isWhiteout) {
      try {
        this.#replace(
          parent,
          name,
          (path) => this.#tree.makeNode(path, type, devmajor, devminor) || undefined,
        );
        using entry = this.#tree.open(parent.join(name));
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
    using file = this.#replace(parent, name, (path) => this.#tree.createFile(path));
    this.#metadata.set(file, header, this.#place);
    this.#report.skip(header.path, `${type}: ${reason}; an empty file stands for it`);
  }

  /** Makes something at a name, in the place of whatever is there. */
  #replace<T>(parent: Directory, name: string, make: (path: string) => T | undefined): T {
    const path = parent.join(name);
    let made = make(path);
    if (made === undefined) {
      this.#names.vacate(parent, name);
      made = make(path);
    }
    if (made === undefined) {
      throw new ExtractError(this.#place, "something else takes its place again and again");
    }
    parent.claim(name);
    return made;
  }

  #holdAcl(value: Uint8Array | undefined): Uint8Array | undefined {
    if (value === undefined) return undefined;
    this.#aclBytes += value.length;
    if (this.#aclBytes > MAX_ACL_BYTES) {
      const subject = describePlace(this.#place);
      throw new LimitError("bytes of default ACLs", MAX_ACL_BYTES, this.#aclBytes, subject);
    }
    return value.slice();
  }

  /** The error with the entry that it befell; programming errors stay what they are. */
  #located(error: unknown): unknown {
    if (error instanceof OciError || error instanceof Deno.errors.NotCapable) return error;
    if (!(error instanceof Error) || errorCode(error) === undefined) return error;
    return new ExtractError(this.#place, error.message, { cause: error });
  }
}
