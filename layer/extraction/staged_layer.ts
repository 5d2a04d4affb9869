import { ExtractError } from "../errors.ts";
import { cleanPath, parentPath } from "../trees/clean_path.ts";
import { extractLayer, type ExtractLayerOptions } from "./extract_layer.ts";
import { type ExtractReport, MAX_IMPLIED_DIRECTORIES } from "./extract_report.ts";
import type { ExtractHandler } from "./extractor.ts";
import type { FileTree } from "../trees/file_tree.ts";
import type { TarHeader } from "../tar/tar_header.ts";
import { parseWhiteout } from "./whiteout.ts";

/** Options for {@linkcode stageLayer}. */
export type StageLayerOptions = Omit<ExtractLayerOptions, "whiteouts" | "keepDirlinks">;

/** Something of the layers below that a layer hides. */
export interface LayerWhiteout {
  /** The directory that it is in. */
  readonly directory: string;
  /** Its name; absent if it is all that the directory has. */
  readonly name?: string | undefined;
}

/**
 * A layer that is extracted by itself, with what its entries say of the layers below it.
 * It is plain data, so that one thread can extract and another one merge.
 */
export interface StagedLayer {
  /** What was done. */
  readonly report: ExtractReport;
  /** What the layer hides. */
  readonly whiteouts: readonly LayerWhiteout[];
  /** Directories that it had something in before it described them, if it ever did. */
  readonly implied: readonly string[];
  /** Those of them that it never described: they keep the metadata that they have below. */
  readonly undescribed: readonly string[];
  /** Directories in the place of something else of the same layer: nothing below shows in them. */
  readonly opaque: readonly string[];
}

/** So many are kept in mind; a layer with more of one is extracted over those below it. */
const MAX_WHITEOUTS = 100_000;
const MAX_LINKS = 100_000;

/**
 * Extracts a layer by itself, into an empty directory of its own, while the layers below it are
 * still on their way. {@linkcode mergeLayer} puts it over them.
 *
 * @param stream The layer's bytes.
 * @param directory An empty directory, or one that is not there.
 * @param options How.
 * @returns The layer; `undefined` if its entries ask for something of the layers below, a hard
 * link to a file of theirs say, so that it must be extracted over them.
 * @throws {DigestMismatchError} If the bytes are not those of `descriptor`.
 * @throws {DiffIdMismatchError} If the decompressed bytes are not those of `diffId`.
 * @throws {LimitError} If the layer has more of something than is accepted.
 *
 * @example A layer over another
 * ```ts
 * import { mergeLayer, openFileTree, stageLayer } from "@x/oci/layer";
 * import { assert } from "@std/assert";
 *
 * const work = await Deno.makeTempDir();
 * const archive = () => new Blob([new Uint8Array(1024)]).stream();
 * const [, upper] = await Promise.all([
 *   stageLayer(archive(), `${work}/lower`),
 *   stageLayer(archive(), `${work}/upper`),
 * ]);
 * using tree = openFileTree(work);
 *
 * assert(upper !== undefined && mergeLayer(tree, "upper", "lower", upper));
 * await Deno.remove(work, { recursive: true });
 * ```
 */
export async function stageLayer(
  stream: ReadableStream<Uint8Array>,
  directory: string | FileTree,
  options: StageLayerOptions = {},
): Promise<StagedLayer | undefined> {
  const notes = new LayerNotes(options.handler);
  const opaque: string[] = [];
  try {
    const report = await extractLayer(stream, directory, {
      ...options,
      handler: (header) => notes.take(header),
      whiteouts: {
        stacked: false,
        // The whiteouts themselves never get there: the notes have them.
        hide() {},
        hideAll: (_tree, path) => void opaque.push(path),
      },
    });
    const { impliedDirectories: implied, undescribedDirectories: undescribed } = report;
    if (notes.needsLower || implied.length >= MAX_IMPLIED_DIRECTORIES) return undefined;
    return { report, whiteouts: notes.whiteouts, implied, undescribed, opaque };
  } catch (error) {
    if (error instanceof ExtractError) return undefined;
    throw error;
  }
}

/** Whether a directory, or one that it is in, is among others. */
function isWithin(directory: string, others: ReadonlySet<string>): boolean {
  if (others.size === 0) return false;
  for (let path = directory; path !== ""; path = parentPath(path)) {
    if (others.has(path)) return true;
  }
  return false;
}

/** Sees the entries of a layer and notes what they say of the layers below. */
class LayerNotes {
  readonly whiteouts: LayerWhiteout[] = [];
  needsLower = false;
  /** What may be a symbolic link, also by another name for one. */
  readonly #links = new Set<string>();
  readonly #handler: ExtractHandler | undefined;

  constructor(handler: ExtractHandler | undefined) {
    this.#handler = handler;
  }

  /** The entry to extract, or nothing if it is a note. */
  take(header: TarHeader): TarHeader | undefined {
    const handled = this.#handler === undefined ? header : this.#handler(header);
    if (handled === undefined) return undefined;
    const { path } = cleanPath(handled.path);
    const mark = parseWhiteout(path);
    if (mark.kind === "whiteout" || mark.kind === "opaque") {
      const { directory } = mark;
      // Through a link it hides something in a directory that has another path.
      if (isWithin(directory, this.#links)) this.needsLower = true;
      const whiteout = mark.kind === "opaque" ? { directory } : { directory, name: mark.name };
      if (this.whiteouts.length < MAX_WHITEOUTS) this.whiteouts.push(whiteout);
      else this.needsLower = true;
      return undefined;
    }
    if (handled.type === "symlink" || handled.type === "hardlink") {
      if (this.#links.size < MAX_LINKS) this.#links.add(path);
      else this.needsLower = true;
    }
    if (handled.type === "directory") {
      // Through a link it describes a directory that has another path.
      if (isWithin(path, this.#links)) this.needsLower = true;
    }
    // Names that only system calls can write, and what an extraction alone would leave out.
    const { type, devmajor, devminor } = handled;
    const isZeroDevice = type === "character-device" && devmajor === 0 && devminor === 0;
    if (isZeroDevice || !path.isWellFormed()) this.needsLower = true;
    return handled;
  }
}
