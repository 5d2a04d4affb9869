import { OciError } from "../../spec/errors.ts";
import { EntryMaker } from "./_entry_maker.ts";
import { EntryMetadata, type XattrMode } from "./_entry_metadata.ts";
import { HoleWriter } from "../trees/hole_writer.ts";
import { LayerTree } from "./_layer_tree.ts";
import { errorCode } from "../linux/native_error.ts";
import { ExtractError, type ExtractPlace, PathEscapeError } from "../errors.ts";
import { cleanPath } from "../trees/clean_path.ts";
import { type ExtractReport, ReportBuilder } from "./extract_report.ts";
import type { FileTree, TreeFile } from "../trees/file_tree.ts";
import { inferOwnership, type Ownership } from "./ownership.ts";
import type { TarHeader, TarSink } from "../tar/tar_header.ts";
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
  readonly layer?: string | undefined;
  /**
   * What whiteouts become.
   *
   * @default {removingWhiteouts()}
   */
  readonly whiteouts?: WhiteoutHandler | undefined;
  /**
   * To whom files belong.
   *
   * @default `"strict"` for root, `"squash"` for everybody else.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * What is done with extended attributes: `"on"` reports those that cannot be set as skipped,
   * `"strict"` fails, `"off"` sets none. `security.selinux` is never set.
   *
   * @default {"on"}
   */
  readonly xattrs?: XattrMode | undefined;
  /**
   * Whether a directory leaves a symbolic link in its place that leads to a directory.
   *
   * @default {false}
   */
  readonly keepDirlinks?: boolean | undefined;
  /** Sees each entry before it is extracted. */
  readonly handler?: ExtractHandler | undefined;
}

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
  readonly #maker: EntryMaker;
  readonly #handler: ExtractHandler | undefined;
  #place: ExtractPlace;
  #file: TreeFile | undefined;
  #writer: HoleWriter | undefined;
  #header: TarHeader | undefined;
  #isFinished = false;

  /** Starts a layer over what the tree holds; the tree stays the caller's. */
  constructor(tree: FileTree, options: LayerExtractorOptions = {}) {
    const {
      layer,
      whiteouts = removingWhiteouts(),
      ownership = inferOwnership(tree),
      xattrs = "on",
      keepDirlinks = false,
      handler,
    } = options;
    this.#tree = tree;
    this.#layer = layer;
    this.#handler = handler;
    this.#place = { layer, path: "", offset: 0 };
    this.#metadata = new EntryMetadata(ownership, xattrs, this.#report);
    this.#names = new LayerTree(tree, whiteouts, this.#metadata, this.#report);
    this.#maker = new EntryMaker({
      tree,
      names: this.#names,
      metadata: this.#metadata,
      report: this.#report,
      stacked: whiteouts.stacked,
      keepDirlinks,
    });
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
   * Gives directories their modes and times, and waits for files that other threads fill. Call it
   * once, after the last entry.
   *
   * @returns What was done.
   * @throws {ExtractError} If a directory's metadata cannot be set, or a file not filled.
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

  /** Ends an extraction that failed: directories and files that were opened are closed again. */
  [Symbol.dispose](): void {
    attempt(() => this.#closeFile());
    if (this.#isFinished) return;
    this.#isFinished = true;
    attempt(() => this.#names.finish());
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
    const file = this.#maker.make(header, path, this.#place);
    if (file === undefined) return;
    this.#file = file;
    this.#writer = new HoleWriter(file);
    this.#header = header;
    this.#report.addBytes(header.size);
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

  /** The error with the entry that it befell; programming errors stay what they are. */
  #located(error: unknown): unknown {
    if (error instanceof OciError || error instanceof Deno.errors.NotCapable) return error;
    if (!(error instanceof Error) || errorCode(error) === undefined) return error;
    return new ExtractError(this.#place, error.message, { cause: error });
  }
}

/** Does what an extraction that has failed still has to; its own failure is the one to tell. */
function attempt(task: () => void): void {
  try {
    task();
  } catch {
    // That of the extraction has been thrown.
  }
}
