import type { RemoteImage } from "../../spec/image.ts";
import { HelpedFiles } from "./_helped_files.ts";
import {
  type LayerStage,
  LocalStage,
  type StageListener,
  type StageParts,
  type StagePlan,
} from "./layer_stage.ts";
import { OpeningStage } from "./_opening_stage.ts";
import { type OverlayPlan, OverlayStage } from "./_overlay_stage.ts";
import { SplitStage, type StagePair } from "./_split_stage.ts";
import type { InputLayer } from "./_stage_input.ts";
import type { StagePlanning } from "./_stage_messages.ts";
import { StageRelay } from "./_stage_relay.ts";
import { mayStartThreads, StageThread } from "./_stage_thread.ts";

/** Of smaller images a thread would start when they are all but extracted. */
const MIN_THREADED_BYTES = 4_194_304;
/** A layer with a larger share of an image's bytes than this is one that others wait for. */
const SPLIT_SHARE = 0.2;
/** In smaller images, this thread decompresses before another has started that could. */
const MIN_RELAYED_BYTES = 134_217_728;

/** A few threads in which stages work; where none can be had, stages work in this thread. */
export class StageWorkers implements Disposable {
  readonly #threads: readonly StageThread[];
  readonly #splitting: Splitting;
  /** For stages in this thread. */
  readonly #files: HelpedFiles | undefined;
  readonly #parts: StageParts;

  /**
   * As many threads as serve the layers of an image, with what processors there are.
   *
   * @param image The image.
   * @param jobs How many layers are extracted at once.
   */
  static for({ layers }: Pick<RemoteImage, "layers">, jobs: number = Infinity): StageWorkers {
    const { hardwareConcurrency: count } = navigator;
    const sizes = layers.map(({ descriptor }) => descriptor.size);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    if (bytes < MIN_THREADED_BYTES || !mayStartThreads()) return new StageWorkers(0);
    const large = sizes.filter((size) => size > bytes * SPLIT_SHARE);
    const needed = Math.min(jobs, layers.length);
    // Where there are threads to spare, a large layer gets two.
    if (large.length * 2 > count) return new StageWorkers(Math.min(count, needed));
    const relay = bytes < MIN_RELAYED_BYTES ? "here" : "thread";
    return new StageWorkers(
      Math.min(count, relay === "here" ? needed : needed + large.length),
      { from: bytes * SPLIT_SHARE, relay },
    );
  }

  /**
   * Starts threads; they are ready by and by.
   *
   * @param count How many.
   * @param splitting Which layers are decompressed in one thread and extracted in another: none,
   * if absent.
   */
  constructor(count: number, splitting: Splitting = { from: Infinity, relay: "here" }) {
    this.#threads = Array.from({ length: count }, () => new StageThread());
    this.#splitting = splitting;
    this.#files = count === 0 ? new HelpedFiles() : undefined;
    this.#parts = this.#files === undefined ? {} : { files: this.#files.queue };
  }

  /** Opens a stage, in the thread that has the least to do. */
  open(plan: StagePlan, listener: StageListener): LayerStage {
    const openHere = () => new LocalStage(plan, listener, this.#parts);
    return this.#open({ kind: "open", plan }, openHere, listener);
  }

  /** Opens the extraction of a layer for overlays, likewise. */
  openOverlay(plan: OverlayPlan, listener: StageListener): LayerStage {
    const openHere = () => new OverlayStage(plan, listener, this.#parts);
    return this.#open({ kind: "overlay", plan }, openHere, listener);
  }

  #open(planning: StagePlanning, openHere: () => LayerStage, listener: StageListener): LayerStage {
    const { size } = planning.plan.descriptor;
    const { from, relay } = this.#splitting;
    const [first, second] = this.#threads.toSorted((a, b) => a.load - b.load);
    if (first === undefined) return openHere();
    const other = size >= from && relay === "thread" ? second : undefined;
    const threads = [first, ...other === undefined ? [] : [other]];
    for (const thread of threads) thread.load += size / threads.length;
    const openThere = () => {
      if (size < from) return first.open(planning, listener);
      return new SplitStage(() => openPair(planning, first, other, listener));
    };
    const areReady = Promise.all(threads.map(({ isReady }) => isReady));
    return new OpeningStage(areReady.then((all) => all.includes(false) ? openHere() : openThere()));
  }

  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread[Symbol.dispose]();
    this.#files?.[Symbol.dispose]();
  }
}

/** How layers are shared between two threads. */
interface Splitting {
  /** Layers from this many bytes on are. */
  readonly from: number;
  /** Whether they are decompressed in this thread or in another one of the few. */
  readonly relay: "here" | "thread";
}

/** Opens the stage of a layer in one thread, and its relay in another or else in this one. */
function openPair(
  planning: StagePlanning,
  first: StageThread,
  other: StageThread | undefined,
  listener: StageListener,
): StagePair {
  const { port1: port, port2 } = new MessageChannel();
  const { descriptor, diffId } = planning.plan;
  const relayPlan = { descriptor, limits: planning.kind === "open" ? planning.plan.options : {} };
  // This thread hashes the blob, besides; where the relay is another one, that has time.
  if (other === undefined) {
    const stage = first.open({ ...planning, port }, listener);
    return { relay: new StageRelay(relayPlan, listener, port2), stage };
  }
  const plan = { ...relayPlan, ...(diffId && { diffId }) };
  const stage = first.open({ ...withoutDiffId(planning), port }, listener);
  return { relay: other.open({ kind: "relay", plan, port: port2 }, listener), stage };
}

/** The same, with nothing to verify. */
function withoutDiffId({ kind, plan }: StagePlanning): StagePlanning {
  const omit = <Plan extends InputLayer>({ diffId: _diffId, ...rest }: Plan) => rest;
  return kind === "open" ? { kind, plan: omit(plan) } : { kind, plan: omit(plan) };
}
