import { openFileTree } from "../../layer/disk/open_tree.ts";
import { extractLayer, type ExtractLayerOptions } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { XattrMode } from "../../layer/extraction/extractor.ts";
import { type LayerLimits, pickLimits } from "../../layer/extraction/layer_limits.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { mergeLayer } from "../../layer/merging/merge_layer.ts";
import { type StagedLayer, stageLayer } from "../../layer/merging/staged_layer.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import { removeEntry } from "../../layer/trees/remove_entry.ts";
import { errorCode } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { openBlobStream } from "../blobs/blob_stream.ts";
import { extractRecorded, type LayerInput } from "../entries/extract_recorded.ts";
import type { StreamConsumer } from "./_stream_sink.ts";
import type { SinkListener } from "./layer_sink.ts";
import { selectPaths } from "./path_selection.ts";

/** Extraction options that can be sent to another thread. */
export interface StageOptions extends LayerLimits {
  readonly ownership?: Ownership | undefined;
  readonly xattrs?: XattrMode | undefined;
  readonly backend?: TreeBackend | undefined;
  /** Paths to extract; by default, all. */
  readonly paths?: readonly string[] | undefined;
}

/** Picks the options of a stage, except for `paths`, from an object with more properties. */
export function pickStageOptions(options: StageOptions): StageOptions {
  const { ownership, xattrs, backend } = options;
  return { ownership, xattrs, backend, ...pickLimits(options) };
}

/** A layer and its stage, the directory that it is extracted into; plain data. */
export interface StagePlan extends LayerInput {
  readonly work: string;
  /** Index of the layer, counted from the base; also the name of its stage. */
  readonly index: number;
  readonly options: StageOptions;
}

/** Name of the stage of the base, into which all other layers are merged. */
export const BASE_STAGE = "0";

/** A staged layer; `undefined` if the layer must be extracted over those below it instead. */
export type StagingResult = StagedLayer | undefined;

export function stagingConsumer(
  plan: StagePlan,
  listener: SinkListener,
): StreamConsumer<StagingResult> {
  const { work, index } = plan;
  let position = 0;
  return {
    get position() {
      return position;
    },
    async consume(stream, signal) {
      const options = {
        ...extractOptions(plan, listener),
        onPosition: (bytes: number) => position = bytes,
        signal,
      };
      const extract = (options: ExtractLayerOptions) => {
        return extractRecorded(stream, `${work}/${index}`, plan, options);
      };
      try {
        if (index > 0) return await stageLayer(extract, options);
        // Nothing is below the base, so its whiteouts need not be kept for a merge.
        const report = await extract(options);
        return { report, whiteouts: [], opaque: [] };
      } catch (error) {
        if (!signal.aborted && !mayBeDamage(error)) listener.fail(error);
        throw error;
      }
    },
    reset() {
      return Promise.try(() => {
        position = 0;
        using tree = openFileTree(work);
        removeEntry(tree, String(index));
      });
    },
  };
}

/** A layer to merge into the base; plain data. */
export interface MergePlan extends StagePlan {
  readonly staged: StagingResult;
  /** Path of its blob. */
  readonly blob: string;
}

export interface MergeOptions extends Pick<SinkListener, "warn"> {
  readonly signal: AbortSignal;
}

/**
 * Merges a layer into the stage of the base, which already contains the layers below it. Renames the
 * entries of its stage if possible, and extracts its blob otherwise.
 */
export async function mergeStage(
  plan: MergePlan,
  merging: MergeOptions,
): Promise<ExtractReport> {
  const { work, index, staged, blob, descriptor, diffId, options } = plan;
  if (staged !== undefined) {
    if (index === 0) return staged.report;
    using tree = openFileTree(work, { backend: options.backend });
    const report = mergeLayer(tree, String(index), BASE_STAGE, staged);
    if (report !== undefined) return report;
  }
  const stream = await openBlobStream(blob, { reuseMemory: true, signal: merging.signal });
  return await extractLayer(stream, `${work}/${BASE_STAGE}`, {
    ...extractOptions(plan, merging),
    source: `"${blob}"`,
    descriptor,
    diffId,
  });
}

function extractOptions(
  { options: { paths, ...options } }: StagePlan,
  { warn }: Pick<SinkListener, "warn">,
): ExtractLayerOptions {
  const handler = paths === undefined ? undefined : selectPaths(paths);
  return { ...options, handler, onWarning: (message) => warn(message) };
}

/**
 * Whether corrupt bytes may have caused an error. Until the writer has verified all bytes, it is
 * unknown whether the layer itself is at fault.
 */
function mayBeDamage(error: unknown): boolean {
  if (!(error instanceof OciError)) return false;
  return errorCode(error.cause) === undefined;
}
