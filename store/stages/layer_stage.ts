import { extractLayer, type ExtractLayerOptions } from "../../layer/extraction/extract_layer.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { ExtractHandler, XattrMode } from "../../layer/extraction/extractor.ts";
import type { FileQueue } from "../../layer/trees/file_queue.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import { mergeLayer } from "../../layer/extraction/merge_layer.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { removeTree } from "../../layer/trees/remove_tree.ts";
import { type StagedLayer, stageLayer } from "../../layer/extraction/staged_layer.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import type { TarLimits } from "../../layer/tar/tar_limits.ts";
import { OciError } from "../../spec/errors.ts";
import type { ReleaseChunk } from "./_byte_queue.ts";
import type { BlobFollower } from "../content/ingest.ts";
import { selectPaths } from "./path_selection.ts";
import { type InputLayer, type LayerInput, StageInput } from "./_stage_input.ts";

/** How layers are extracted; plain data, which another thread can be given. */
export interface StageOptions extends TarLimits {
  readonly ownership?: Ownership | undefined;
  readonly xattrs?: XattrMode | undefined;
  readonly backend?: TreeBackend | undefined;
  readonly maxBytes?: number | undefined;
  readonly maxRatio?: number | undefined;
  readonly maxWindow?: number | undefined;
  /** What is extracted of the image; all of it if absent. */
  readonly paths?: readonly string[] | undefined;
}

const STAGE_OPTIONS: readonly (keyof StageOptions)[] = [
  "ownership",
  "xattrs",
  "backend",
  "maxBytes",
  "maxRatio",
  "maxWindow",
  "maxEntries",
  "maxPathBytes",
  "maxNameBytes",
  "maxExtendedHeaderBytes",
  "maxXattrBytes",
  "maxXattrsBytes",
  "maxSegments",
];

/** What of wider options can be given to another thread, and concerns it. */
export function pickStageOptions(options: StageOptions): StageOptions {
  return Object.fromEntries(
    STAGE_OPTIONS.filter((name) => options[name] !== undefined)
      .map((name) => [name, options[name]]),
  );
}

/** Which layer is extracted where. */
export interface StagePlan extends InputLayer {
  /** A directory with a stage of each layer in it. */
  readonly work: string;
  /** Which layer of the image it is, the base being 0: its stage has this name. */
  readonly index: number;
  readonly options: StageOptions;
}

/**
 * A layer on its way into a directory: extracted by itself, as its bytes come, then put over the
 * layers below it. Stages of one image work side by side; the merging goes from the base up.
 */
export interface LayerStage extends BlobFollower, AsyncDisposable {
  /** Where in the archive the extraction is. */
  readonly position: number;
  /** Extracts the layer from its blob, where nothing was written. */
  read(blob: string): Promise<void>;
  /** Puts the layer over those below, which are in the stage of the base. */
  merge(blob: string): Promise<ExtractReport>;
}

/** A stage that is given bytes in its own thread. */
export interface FedStage extends LayerStage {
  /** What would be written cannot be had. */
  fail(error: unknown): void;
}

/** Whom a stage tells what. */
export interface StageListener {
  /** What is odd but not fatal. */
  warn(message: string): void;
  /** The layer cannot be extracted, whatever its other bytes are; `close` will say so, too. */
  fail(error: unknown): void;
}

/** What a stage has from the thread that it is in. */
export interface StageParts {
  /** If what is written has been decompressed, is given the chunks that the stage is done with. */
  readonly release?: ReleaseChunk;
  /** With what another thread helps. */
  readonly files?: FileQueue;
}

/** The name of the stage that all layers end up in. */
export const BASE_STAGE = "0";

/** A stage in this thread. */
export class LocalStage implements FedStage {
  readonly #plan: StagePlan;
  readonly #listener: StageListener;
  readonly #files: Pick<StageParts, "files">;
  readonly #input: StageInput<StagedLayer | undefined>;
  #position = 0;

  constructor(plan: StagePlan, listener: StageListener, { release, ...files }: StageParts = {}) {
    this.#plan = plan;
    this.#listener = listener;
    this.#files = files;
    this.#input = new StageInput(plan, {
      extract: (input) => this.#stage(input),
      onFailure: (error) => {
        if (!mayBeOfBytes(error)) listener.fail(error);
      },
      release,
    });
  }

  get position(): number {
    return this.#position;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#input.write(chunk);
  }

  async close(): Promise<void> {
    this.#input.close();
    await this.#input.work;
  }

  fail(error: unknown): void {
    this.#input.fail(error);
  }

  async restart(): Promise<void> {
    await this.#input.restart();
    this.#position = 0;
    const { work, index } = this.#plan;
    using tree = openFileTree(work);
    removeTree(tree, String(index));
  }

  async read(blob: string): Promise<void> {
    await this.#input.read(blob);
    await this.#input.work;
  }

  async merge(blob: string): Promise<ExtractReport> {
    const staged = await this.#input.work;
    const { work, index, options } = this.#plan;
    if (staged !== undefined) {
      if (index === 0) return staged.report;
      const backend = options.backend;
      using tree = openFileTree(work, backend === undefined ? {} : { backend });
      if (mergeLayer(tree, String(index), BASE_STAGE, staged)) return staged.report;
    }
    const input = await this.#input.open(blob);
    return await extractLayer(input.stream, `${work}/${BASE_STAGE}`, this.#options(input));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input[Symbol.asyncDispose]();
  }

  async #stage(input: LayerInput): Promise<StagedLayer | undefined> {
    const { work, index } = this.#plan;
    const options = this.#options(input);
    const root = `${work}/${index}`;
    if (index > 0) return await stageLayer(input.stream, root, options);
    // Below the base there is nothing: it is extracted as it stands.
    const report = await extractLayer(input.stream, root, options);
    return { report, whiteouts: [], implied: [], undescribed: [], opaque: [] };
  }

  #options(input: LayerInput): ExtractLayerOptions {
    const { paths, ...options } = this.#plan.options;
    const select: ExtractHandler = paths === undefined ? (header) => header : selectPaths(paths);
    const handler = (header: TarHeader) => {
      this.#position = header.offset;
      return select(header);
    };
    const onWarning = (message: string) => this.#listener.warn(message);
    return { ...options, ...input.options, ...this.#files, handler, onWarning };
  }
}

/**
 * Whether an error may come of wrong bytes. Whoever writes them will find that out when the last
 * one has come; until then it is not known whether the layer is at fault.
 */
function mayBeOfBytes(error: unknown): boolean {
  if (!(error instanceof OciError)) return false;
  const isOfSystem = typeof (error.cause as { code?: unknown } | undefined)?.code === "string";
  return !isOfSystem;
}
