import { ExtractError } from "../errors.ts";
import { type ExtractReport, MAX_IMPLIED_DIRECTORIES } from "../extraction/extract_report.ts";
import type { ExtractHandler, LayerExtractorOptions } from "../extraction/extractor.ts";
import { parseWhiteout } from "../extraction/whiteout.ts";
import type { TarHeader } from "../tar/tar_header.ts";
import { cleanPath, parentPath } from "../trees/clean_path.ts";

/** A whiteout of a layer. */
export interface LayerWhiteout {
  /** Path of the directory. */
  readonly directory: string;
  /** Hidden name; absent if the directory is opaque. */
  readonly name?: string | undefined;
  /** Whether an earlier entry of the layer describes the directory, so it is not a symlink. */
  readonly isDescribed: boolean;
}

/**
 * A layer that was extracted by itself, and its effects on the layers below. It is plain data, so
 * that one thread can extract and another one can merge.
 */
export interface StagedLayer {
  /** Report of the extraction. */
  readonly report: ExtractReport;
  /** Whiteouts of the layer. */
  readonly whiteouts: readonly LayerWhiteout[];
  /** Directories that replaced another entry of the layer, which hides everything below. */
  readonly opaque: readonly string[];
}

/** Maximum numbers of recorded items. A layer with more is extracted over the layers below it. */
const MAX_WHITEOUTS = 100_000;
const MAX_LINKS = 100_000;
const MAX_DIRECTORIES = 100_000;

/**
 * Extracts a layer by itself, independently of the layers below it. {@linkcode mergeLayer} merges
 * it into them.
 *
 * @param extract Extracts the entries into an empty directory with the given options.
 * @returns The staged layer; `undefined` if its entries depend on the layers below, for example by
 * a hard link, so that it must be extracted over them.
 */
export async function stageLayer<Options extends LayerExtractorOptions>(
  extract: (options: Options & LayerExtractorOptions) => ExtractReport | Promise<ExtractReport>,
  options: Options,
): Promise<StagedLayer | undefined> {
  const notes = new LayerNotes(options.handler);
  const opaque: string[] = [];
  try {
    const report = await extract({
      ...options,
      handler: (header) => notes.record(header),
      setOverlayXattrs: true,
      whiteouts: {
        // Never called, because the notes filter whiteouts.
        hide() {},
        hideAll: (_tree, path) => void opaque.push(path),
      },
    });
    const isComplete = report.impliedDirectories.length < MAX_IMPLIED_DIRECTORIES;
    if (notes.needsLower || !isComplete) return undefined;
    return { report, whiteouts: notes.whiteouts, opaque };
  } catch (error) {
    if (error instanceof ExtractError) return undefined;
    throw error;
  }
}

/** Whether a path or one of its parents is in a set. */
function isWithin(directory: string, others: ReadonlySet<string>): boolean {
  if (others.size === 0) return false;
  for (let path = directory; path !== ""; path = parentPath(path)) {
    if (others.has(path)) return true;
  }
  return false;
}

/** Records the effects of a layer's entries on the layers below. */
class LayerNotes {
  readonly whiteouts: LayerWhiteout[] = [];
  needsLower = false;
  /** Paths that may be symbolic links, including hard links to them. */
  readonly #links = new Set<string>();
  /** The first directories that have an entry. */
  readonly #directories = new Set<string>();
  readonly #handler: ExtractHandler | undefined;

  constructor(handler: ExtractHandler | undefined) {
    this.#handler = handler;
  }

  /** Records an entry. Returns the entry to extract, or `undefined` for a whiteout. */
  record(header: TarHeader): TarHeader | undefined {
    const handled = this.#handler === undefined ? header : this.#handler(header);
    if (handled === undefined) return undefined;
    const path = cleanPath(handled.path);
    const mark = parseWhiteout(path);
    if (mark.kind === "whiteout" || mark.kind === "opaque") {
      const { directory } = mark;
      // Through a symlink, it applies to another directory.
      if (isWithin(directory, this.#links)) this.needsLower = true;
      const isDescribed = this.#directories.has(directory);
      const name = mark.kind === "opaque" ? undefined : mark.name;
      const whiteout = { directory, name, isDescribed };
      if (this.whiteouts.length < MAX_WHITEOUTS) this.whiteouts.push(whiteout);
      else this.needsLower = true;
      return undefined;
    }
    if (handled.type === "symlink" || handled.type === "hardlink") {
      if (this.#links.size < MAX_LINKS) this.#links.add(path);
      else this.needsLower = true;
    }
    if (handled.type === "directory") {
      if (this.#directories.size < MAX_DIRECTORIES) this.#directories.add(path);
      // Through a symlink, it describes another directory.
      if (isWithin(path, this.#links)) this.needsLower = true;
    }
    // Only the native backend supports names that are not UTF-8, and an extraction alone would skip
    // devices 0:0.
    const { type, devmajor, devminor } = handled;
    const isZeroDevice = type === "character-device" && devmajor === 0 && devminor === 0;
    if (isZeroDevice || !path.isWellFormed()) this.needsLower = true;
    return handled;
  }
}
