import { errorCode } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { ExtractError, type ExtractPlace, PathEscapeError } from "../errors.ts";
import { describeCause } from "../linux/native_error.ts";
import type { TarHeader, TarSink } from "../tar/tar_header.ts";
import { cleanPath } from "../trees/clean_path.ts";
import type { FileTree, TreeFile } from "../trees/file_tree.ts";
import { HoleWriter } from "../trees/hole_writer.ts";
import { EntryMaker } from "./_entry_maker.ts";
import { EntryMetadata, type XattrMode } from "./_entry_metadata.ts";
import { LayerNames } from "./_layer_names.ts";
import { type ExtractReport, ReportBuilder } from "./extract_report.ts";
import { inferOwnership, type Ownership } from "./ownership.ts";
import { isLinkFile, parseWhiteout } from "./whiteout.ts";
import { isStacked, removingWhiteouts, type WhiteoutMode } from "./whiteout_handler.ts";

export type { XattrMode } from "./_entry_metadata.ts";

/**
 * Called with each entry before it is extracted, including whiteouts.
 *
 * @param header Header of the entry.
 * @returns The header to extract instead, or `undefined` to skip the entry.
 */
export type ExtractHandler = (header: TarHeader) => TarHeader | undefined;

/** Options for {@linkcode LayerExtractor}. */
export interface LayerExtractorOptions {
  /** Name of the layer in errors, usually its digest. */
  readonly layer?: string | undefined;
  /**
   * Unit of the offsets of entries, for errors.
   *
   * @default {"byte"}
   */
  readonly offsetUnit?: "byte" | "entry" | undefined;
  /**
   * Handling of whiteouts.
   *
   * @default {removingWhiteouts()}
   */
  readonly whiteouts?: WhiteoutMode | undefined;
  /**
   * Owners of the extracted files.
   *
   * The default is `"strict"` for root, and `"squash"` for other users.
   */
  readonly ownership?: Ownership | undefined;
  /**
   * Handling of extended attributes: `"on"` reports attributes that cannot be set as skipped,
   * `"strict"` fails, `"off"` sets none. `security.selinux` is never set.
   *
   * @default {"on"}
   */
  readonly xattrs?: XattrMode | undefined;
  /**
   * Whether attributes that the overlay file system interprets, `trusted.overlay.*` and
   * `user.overlay.*`, are set like others, or reported as skipped. Do not set them in a directory
   * that becomes a layer of an overlay: they can hide and redirect files.
   *
   * By default, they are set if the tree also contains the lower layers.
   */
  readonly setOverlayXattrs?: boolean | undefined;
  /**
   * Whether a directory keeps an existing symbolic link to a directory.
   *
   * @default {false}
   */
  readonly keepDirlinks?: boolean | undefined;
  /** Called with each entry before it is extracted. */
  readonly handler?: ExtractHandler | undefined;
}

/**
 * Extracts the entries of one layer into a tree, as a {@linkcode TarSink}.
 *
 * Names are resolved as if the root were `/`: absolute names, names with `..` and symbolic links in
 * parents stay inside. The last component is never followed: an existing entry is replaced, except
 * that a directory keeps the content of an existing directory. A whiteout hides entries of lower
 * layers, never those of the same layer, wherever it is. Modes and times of directories are set at
 * the end.
 *
 * All calls are synchronous, and the state is local, so it also works in a worker.
 *
 * @example Extract only the entries below one directory
 * ```ts
 * import { DecompressStream, LayerExtractor, MemoryTree, TarParser } from "@x/oci/layer";
 * import { assertEquals } from "@std/assert";
 *
 * const layer = await Deno.open("./layer.tar.gz");
 * const tree = new MemoryTree();
 *
 * using extractor = new LayerExtractor(tree, {
 *   handler: (header) => header.path.startsWith("etc/") ? header : undefined,
 * });
 * const parser = new TarParser(extractor);
 * for await (const chunk of layer.readable.pipeThrough(new DecompressStream())) parser.push(chunk);
 * parser.finish();
 * extractor.finish();
 *
 * assertEquals(tree.list(""), ["etc"]);
 * ```
 */
export class LayerExtractor implements TarSink, Disposable {
  readonly #tree: FileTree;
  readonly #names: LayerNames;
  readonly #isLiteral: boolean;
  readonly #metadata: EntryMetadata;
  readonly #report = new ReportBuilder();
  readonly #layer: string | undefined;
  readonly #offsetUnit: ExtractPlace["offsetUnit"];
  readonly #maker: EntryMaker;
  readonly #handler: ExtractHandler | undefined;
  #place: ExtractPlace;
  #file: TreeFile | undefined;
  #writer: HoleWriter | undefined;
  #header: TarHeader | undefined;
  #isFinished = false;

  /** Creates an extractor. The caller disposes of the tree. */
  constructor(tree: FileTree, options: LayerExtractorOptions = {}) {
    const {
      layer,
      offsetUnit,
      whiteouts = removingWhiteouts(),
      ownership = inferOwnership(tree),
      xattrs = "on",
      setOverlayXattrs = isStacked(whiteouts),
      keepDirlinks = false,
      handler,
    } = options;
    this.#tree = tree;
    this.#layer = layer;
    this.#offsetUnit = offsetUnit;
    this.#handler = handler;
    this.#isLiteral = whiteouts === "literal";
    this.#place = { layer, path: "", offset: 0 };
    this.#metadata = new EntryMetadata(ownership, xattrs, this.#report, setOverlayXattrs);
    this.#names = new LayerNames(tree, whiteouts, this.#metadata, this.#report);
    this.#maker = new EntryMaker({
      tree,
      names: this.#names,
      metadata: this.#metadata,
      report: this.#report,
      keepDirlinks,
    });
  }

  /**
   * Creates an entry.
   *
   * @throws {ExtractError} If it cannot be created.
   */
  entry(header: TarHeader): void {
    const { path, offset } = header;
    this.#place = { layer: this.#layer, path, offset, offsetUnit: this.#offsetUnit };
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
   * Writes content of the current file.
   *
   * @throws {ExtractError} If it cannot be written.
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
   * Sets the metadata of the current file.
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
   * Completes all files, and sets the modes and times of directories. Call it once, after the last
   * entry.
   *
   * @returns The report.
   * @throws {ExtractError} If a file cannot be written, or metadata of a directory cannot be set.
   */
  finish(): ExtractReport {
    try {
      this.#tree.settle();
      this.#isFinished = true;
      this.#names.finish();
    } catch (error) {
      throw this.#located(error);
    }
    return this.#report.build();
  }

  /** Closes the current file, and restores the modes of directories after a failure. */
  [Symbol.dispose](): void {
    attempt(() => this.#closeFile());
    if (this.#isFinished) return;
    attempt(() => this.#tree.settle());
    this.#isFinished = true;
    attempt(() => this.#names.finish());
  }

  #closeFile(): void {
    this.#file?.[Symbol.dispose]();
    this.#file = this.#writer = this.#header = undefined;
  }

  #extract(header: TarHeader): void {
    const path = cleanPath(header.path);
    if (path.includes("\0") || header.linkname.includes("\0")) {
      throw new ExtractError(this.#place, "its name contains a NUL byte");
    }
    if (this.#tree.backend === "pure" && !(path + header.linkname).isWellFormed()) {
      const what = path.isWellFormed() ? "the target of the link" : "its name";
      this.#report.skip(header.path, `${what} is not UTF-8, which requires --allow-ffi`);
      return;
    }
    if (!this.#isLiteral && this.#takeWhiteout(path, header.type)) return;
    const file = this.#maker.make(header, path, this.#place);
    if (file === undefined) return;
    this.#file = file;
    this.#writer = new HoleWriter(file);
    this.#header = header;
    this.#report.addBytes(header.size);
  }

  /** Applies a whiteout. Returns `false` for an entry to create. */
  #takeWhiteout(path: string, type: TarHeader["type"]): boolean {
    const mark = parseWhiteout(path);
    if (mark.kind === "none") return false;
    if (mark.kind === "ignored" && type === "file" && isLinkFile(path)) {
      this.#names.makeLinkDirectory();
      return false;
    }
    if (mark.kind === "malformed") {
      throw new (mark.escapes ? PathEscapeError : ExtractError)(this.#place, mark.reason);
    }
    if (mark.kind === "whiteout") this.#names.hide(mark.directory, mark.name);
    if (mark.kind === "opaque") this.#names.hideAll(mark.directory);
    return true;
  }

  /** Adds the current entry to an error of the system. Other errors stay unchanged. */
  #located(error: unknown): unknown {
    if (error instanceof OciError || error instanceof Deno.errors.NotCapable) return error;
    if (!(error instanceof Error) || errorCode(error) === undefined) return error;
    return new ExtractError(this.#place, describeCause(error), { cause: error });
  }
}

/** Runs a clean-up task of a failed extraction. */
function attempt(task: () => void): void {
  try {
    task();
  } catch {
    // The extraction has already failed with another error.
  }
}
