import { type ExtractPlace, OwnershipError } from "../../layer/errors.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { LayerExtractor, type LayerExtractorOptions } from "../../layer/extraction/extractor.ts";
import { type LayerLimits, pickLimits } from "../../layer/extraction/layer_limits.ts";
import { parseWhiteout } from "../../layer/extraction/whiteout.ts";
import { MemoryTree } from "../../layer/memory/memory_tree.ts";
import { type StagedLayer, stageLayer } from "../../layer/merging/staged_layer.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import { areIds, MAX_ID } from "../../layer/trees/owner_ids.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import type { ContentStore } from "../content/content_store.ts";
import { extractRecorded } from "../entries/extract_recorded.ts";
import { planRecords } from "../entries/layer_entries.ts";
import type { LayerIndex } from "../entries/layer_index.ts";
import type { LayerListing } from "../entries/layer_listing.ts";
import type { Layer } from "../images/image.ts";
import { StagedListing } from "./_staged_listing.ts";

export interface EntrySource extends LayerLimits {
  /** Known entries of the layer; without them, the layer is read and an index is created. */
  readonly known: Pick<LayerIndex, "headers" | "offsetUnit"> | undefined;
  readonly store: ContentStore;
  /** Whether to reject owners whose IDs are too large for any file. */
  readonly checkOwners?: boolean | undefined;
  readonly onEntry?: ((header: TarHeader) => void) | undefined;
  /** Called with the number of decompressed bytes of the layer so far. */
  readonly onPosition?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/**
 * Lists a single layer.
 *
 * @param number Number of the layer, counted from the base.
 * @returns The listing; `undefined` if that requires the layers below it.
 */
export async function listLayer(
  layer: Layer,
  number: number,
  source: EntrySource,
): Promise<LayerListing | undefined> {
  const tree = new MemoryTree();
  if (number === 0) {
    const added = await addLayer(tree, layer, number, source);
    // The base has nothing below it to inherit from.
    const report = { ...added, impliedDirectories: [], undescribedDirectories: [] };
    return new StagedListing(tree, { report, whiteouts: [], opaque: [] });
  }
  const staged = await extractIntoMemory<StagedLayer | undefined>(
    tree,
    layer,
    number,
    source,
    stageLayer,
  );
  return staged && new StagedListing(tree, staged);
}

/** Extracts a layer into a tree in memory, over the layers that it already has. */
export async function addLayer(
  tree: MemoryTree,
  layer: Layer,
  number: number,
  source: EntrySource,
): Promise<ExtractReport> {
  return await extractIntoMemory(
    tree,
    layer,
    number,
    source,
    (extract, options) => extract(options),
  );
}

type Extraction = (options: LayerExtractorOptions) => ExtractReport | Promise<ExtractReport>;

async function extractIntoMemory<Result>(
  tree: MemoryTree,
  layer: Layer,
  number: number,
  source: EntrySource,
  run: (extract: Extraction, options: LayerExtractorOptions) => Result | Promise<Result>,
): Promise<Result> {
  const { known, store, checkOwners = false, onEntry, signal, onWarning } = source;
  const offsetUnit = known?.offsetUnit;
  const handler = (header: TarHeader) => {
    if (checkOwners) assertOwner({ ...header, layer: layer.digest, offsetUnit });
    tree.place = { layer: number, offset: header.offset };
    onEntry?.(header);
    return header;
  };
  const options = { ownership: "strict", handler, layer: layer.digest, offsetUnit } as const;
  if (known !== undefined) {
    return await run((options) => extractEntries(known.headers(), tree, options, signal), options);
  }
  const { descriptor, diffId } = layer;
  const records = await planRecords(store, layer, { replaces: true });
  return await run(async (options) => {
    const stream = await layer.compressed({ signal });
    return await extractRecorded(stream, tree, { descriptor, diffId, records }, {
      ...options,
      ...pickLimits(source),
      descriptor,
      signal,
      onPosition: source.onPosition,
      onWarning,
    });
  }, options);
}

function assertOwner(place: TarHeader & ExtractPlace): void {
  const { uid, gid, type, path } = place;
  if (areIds(uid, gid)) return;
  // Extraction does not set the owners of these either.
  if (type === "hardlink" || parseWhiteout(cleanPath(path)).kind !== "none") return;
  throw new OwnershipError(
    place,
    { uid, gid },
    `its owner ${uid}:${gid} is invalid, because the largest ID is ${MAX_ID}`,
    { advice: "Report it to the author of the image", modes: [] },
  );
}

/** Extracts the entries of a layer without the content of files, which become holes. */
async function extractEntries(
  headers: Iterable<TarHeader>,
  tree: MemoryTree,
  options: LayerExtractorOptions,
  signal: AbortSignal | undefined,
): Promise<ExtractReport> {
  using extractor = new LayerExtractor(tree, options);
  const turn = new WorkTurn();
  for (const header of headers) {
    if (turn.isOver()) await turn.next(signal);
    extractor.entry(header);
    extractor.end();
  }
  return extractor.finish();
}
