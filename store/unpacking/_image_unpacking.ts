import { DigestMismatchError, LimitError } from "../../spec/errors.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image.ts";
import type { BlobFollower, Ingestion } from "../content/ingest.ts";
import type { LayerStage, StageListener, StageOptions, StagePlan } from "../stages/layer_stage.ts";
import type { ContentStore } from "../content/content_store.ts";
import { Semaphore } from "../host/semaphore.ts";
import type { UnpackImageOptions } from "./unpack_image_options.ts";

/** Opens the stage of a layer. */
export type OpenStage = (plan: StagePlan, listener: StageListener) => LayerStage;

const MAX_BYTES = 21_474_836_480;
const JOBS = 6;
/** A layer with a larger share of an image's bytes than this is begun before the others. */
const EARLY_SHARE = 0.1;

/** Brings the layers of an image into the store and, from there or on their way, to files. */
export class ImageUnpacking {
  readonly #store: ContentStore;
  readonly #layers: readonly RemoteLayer[];
  readonly #options: UnpackImageOptions;
  readonly #limit: Semaphore;
  readonly #failure = new AbortController();
  readonly #signal: AbortSignal;

  constructor(
    store: ContentStore,
    image: Pick<RemoteImage, "layers">,
    options: UnpackImageOptions,
  ) {
    const { jobs = JOBS, signal } = options;
    this.#store = store;
    this.#layers = image.layers;
    this.#options = options;
    this.#limit = new Semaphore(jobs);
    const failure = this.#failure.signal;
    this.#signal = signal === undefined ? failure : AbortSignal.any([signal, failure]);
  }

  /**
   * Extracts every layer by itself, side by side, and puts one over the other.
   *
   * @param work A directory for the stages.
   * @param options How to extract.
   * @param openStage Opens the stage of a layer.
   * @returns What was done for each layer, the base first.
   */
  async stage(
    work: string,
    options: StageOptions,
    openStage: OpenStage,
  ): Promise<readonly ExtractReport[]> {
    await using stages = new Stages();
    // A stage that reads a stored blob hears of no signal until the end of its layer.
    using _stop = onAbort(this.#signal, () => stages.stop());
    const listener = {
      warn: (message: string) => this.#options.onWarning?.(message),
      fail: (error: unknown) => this.#failure.abort(error),
    };
    return await this.#each(
      async (layer, index) => {
        const { descriptor, diffId } = layer;
        const stage = openStage({ work, index, descriptor, diffId, options }, listener);
        stages.add(index, stage);
        await this.#fill(layer, stage, stages);
      },
      async ({ descriptor }, index) => {
        const result = await stages.at(index).merge(this.#store.blobPath(descriptor.digest));
        await stages.end(index);
        return result;
      },
    );
  }

  /**
   * Brings every layer into the store, side by side, and gives them to `use` one after the other.
   *
   * @param use Is called for each layer, the base first.
   */
  async bring(use: (layer: RemoteLayer) => Promise<void>): Promise<void> {
    await this.#each((layer) => this.#bring(layer, undefined).then(() => {}), use);
  }

  /** Runs `begin` for all layers side by side, and `end` for one after the other. */
  async #each<T>(
    begin: (layer: RemoteLayer, index: number) => Promise<void>,
    end: (layer: RemoteLayer, index: number) => Promise<T>,
  ): Promise<readonly T[]> {
    const begun = new Map(
      beginningOrder(this.#layers).map((index) => {
        const layer = this.#layers[index] as RemoteLayer;
        return [index, this.#guard(() => this.#limit.run(() => begin(layer, index), this.#signal))];
      }),
    );
    const results: T[] = [];
    await this.#guard(async () => {
      for (const [index, layer] of this.#layers.entries()) {
        await begun.get(index);
        this.#signal.throwIfAborted();
        results.push(await end(layer, index));
      }
    });
    // Everything that was begun has ended before a failure is told, the first one's.
    await Promise.all(begun.values());
    this.#options.signal?.throwIfAborted();
    this.#failure.signal.throwIfAborted();
    return results;
  }

  /** Runs a task, whose failure ends all others and is told by the signal. */
  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      this.#signal.throwIfAborted();
      await task();
    } catch (error) {
      // A stage reads the file of a blob, not the store.
      if (error instanceof DigestMismatchError) this.#store.distrust(error.expected);
      this.#failure.abort(error);
    }
  }

  async #fill(layer: RemoteLayer, stage: LayerStage, stages: Stages): Promise<void> {
    const { maxBytes = MAX_BYTES } = this.#options;
    const { status } = await this.#bring(layer, {
      write: (chunk) => {
        stages.checkSize(maxBytes);
        return stage.write(chunk);
      },
      close: () => stage.close(),
      restart: () => stage.restart(),
    });
    if (status === "cached") await stage.read(this.#store.blobPath(layer.descriptor.digest));
    stages.checkSize(maxBytes);
  }

  async #bring(layer: RemoteLayer, follower: BlobFollower | undefined): Promise<Ingestion> {
    const { descriptor, source } = layer;
    const { onProgress, onLayer } = this.#options;
    const ingestion = await this.#store.ingest(
      descriptor,
      (options) => layer.compressed(options),
      {
        signal: this.#signal,
        connections: layer.connections,
        ...(source === undefined ? {} : { source }),
        ...(onProgress && { onProgress: (progress) => onProgress(descriptor, progress) }),
        ...(follower && { follower }),
      },
    );
    onLayer?.(descriptor, ingestion);
    return ingestion;
  }
}

/** Calls `stop` when the signal is aborted, until it is disposed of. */
function onAbort(signal: AbortSignal, stop: () => void): Disposable {
  signal.addEventListener("abort", stop, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener("abort", stop) };
}

/** The stages of all layers of an image. */
class Stages implements AsyncDisposable {
  readonly #stages = new Map<number, LayerStage>();
  /** Bytes of the layers whose stages have ended. */
  #ended = 0;

  add(index: number, stage: LayerStage): void {
    this.#stages.set(index, stage);
  }

  at(index: number): LayerStage {
    const stage = this.#stages.get(index);
    if (stage === undefined) throw new RangeError(`Cannot find layer ${index}: it has no stage`);
    return stage;
  }

  /** Fails if all layers together have more bytes than they may. */
  checkSize(maxBytes: number): void {
    const bytes = this.#stages.values().reduce((sum, { position }) => sum + position, this.#ended);
    if (maxBytes === 0 || bytes <= maxBytes) return;
    throw new LimitError("decompressed bytes", maxBytes, bytes, "the image", "maxBytes");
  }

  /** Gives back what a stage holds. */
  async end(index: number): Promise<void> {
    const stage = this.at(index);
    this.#ended += stage.position;
    this.#stages.delete(index);
    await stage[Symbol.asyncDispose]();
  }

  /** Stops the extraction of every layer; what waits for it fails. */
  stop(): void {
    this[Symbol.asyncDispose]().catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#stages.values().map((stage) => stage[Symbol.asyncDispose]()));
  }
}

/**
 * In which order layers are begun: large ones first, so that none is left for the end, then from
 * the base up, as they are put over each other in that order.
 */
function beginningOrder(layers: readonly RemoteLayer[]): readonly number[] {
  const bytes = layers.reduce((sum, { descriptor }) => sum + descriptor.size, 0);
  const weight = ({ descriptor: { size } }: RemoteLayer) => size > bytes * EARLY_SHARE ? size : 0;
  // Sorting is stable: layers of equal weight stay in the order of the image.
  return [...layers.entries()].sort(([, a], [, b]) => weight(b) - weight(a)).map(([i]) => i);
}
