import { keepNativeBackend } from "../layer/native_backend.ts";
import type { RemoteImage } from "../spec/image.ts";
import { unpackError } from "./_error_transfer.ts";
import {
  type LayerStage,
  LocalStage,
  type StageListener,
  type StagePlan,
  type StageResult,
} from "./_layer_stage.ts";
import { type OverlayPlan, OverlayStage } from "./_overlay_stage.ts";
import type { InputLayer } from "./_stage_input.ts";
import { SplitStage, type StagePair } from "./_split_stage.ts";
import type {
  FromWorker,
  StageCall,
  StageOpening,
  StagePlanning,
  ToWorker,
} from "./_stage_messages.ts";
import { StageRelay } from "./_stage_relay.ts";

/** Of smaller images a thread would start when they are all but extracted. */
const MIN_THREADED_BYTES = 4_194_304;
/** A layer with a larger share of an image's bytes than this is one that others wait for. */
const LARGE_SHARE = 0.2;
/** In smaller images, this thread decompresses before another has started that could. */
const MIN_RELAYED_BYTES = 134_217_728;

/** So many bytes may be on their way to a stage before its writer has to wait. */
const WINDOW_BYTES = 1_048_576;

/** A few threads in which stages work; where none can be had, stages work in this thread. */
export class StageWorkers implements Disposable {
  readonly #threads: readonly StageThread[];
  readonly #splitting: Splitting;
  /** For stages in this thread, each of which opens a tree or two. */
  readonly #native: Disposable | undefined;

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
    if (bytes < MIN_THREADED_BYTES || !mayReadModule()) return new StageWorkers(0);
    const large = sizes.filter((size) => size > bytes * LARGE_SHARE);
    const needed = Math.min(jobs, layers.length);
    // Where there are threads to spare, a large layer gets two.
    if (large.length * 2 > count) return new StageWorkers(Math.min(count, needed));
    const relay = bytes < MIN_RELAYED_BYTES ? "here" : "thread";
    return new StageWorkers(
      Math.min(count, relay === "here" ? needed : needed + large.length),
      { from: bytes * LARGE_SHARE, relay },
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
    this.#native = count === 0 ? keepNativeBackend() : undefined;
  }

  /** Opens a stage, in the thread that has the least to do. */
  async open(plan: StagePlan, listener: StageListener): Promise<LayerStage> {
    const openHere = () => new LocalStage(plan, listener);
    return await this.#open({ kind: "open", plan }, openHere, listener);
  }

  /** Opens the extraction of a layer for overlays, likewise. */
  async openOverlay(plan: OverlayPlan, listener: StageListener): Promise<LayerStage> {
    const openHere = () => new OverlayStage(plan, listener);
    return await this.#open({ kind: "overlay", plan }, openHere, listener);
  }

  async #open(
    planning: StagePlanning,
    openHere: () => LayerStage,
    listener: StageListener,
  ): Promise<LayerStage> {
    const { size } = planning.plan.descriptor;
    const { from, relay } = this.#splitting;
    const [first, second] = this.#threads.toSorted((a, b) => a.load - b.load);
    if (first === undefined) return openHere();
    const other = size >= from && relay === "thread" ? second : undefined;
    const threads = [first, ...other === undefined ? [] : [other]];
    for (const thread of threads) thread.load += size / threads.length;
    const areReady = await Promise.all(threads.map(({ isReady }) => isReady));
    if (areReady.includes(false)) return openHere();
    if (size < from) return first.open(planning, listener);
    return new SplitStage(() => openPair(planning, first, other, listener));
  }

  [Symbol.dispose](): void {
    for (const thread of this.#threads) thread[Symbol.dispose]();
    this.#native?.[Symbol.dispose]();
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

const MODULE = new URL("./_stage_worker.ts", import.meta.url);

/** Whether a thread may read its module, which from a checkout is a file. Nobody is asked. */
function mayReadModule(): boolean {
  if (MODULE.protocol !== "file:") return true;
  return Deno.permissions.querySync({ name: "read", path: MODULE }).state === "granted";
}

/** What a stage answers. */
interface Answer {
  readonly position: number;
  readonly result?: StageResult;
}

/** A worker, and what is known of its stages. */
class StageThread implements Disposable {
  /** Bytes of all layers that it was given, or its part of them. */
  load = 0;
  /** Whether it could be started. */
  readonly isReady: Promise<boolean>;
  readonly #worker: Worker | undefined;
  readonly #stages = new Map<number, WorkerStage>();
  readonly #calls = new Map<number, PromiseWithResolvers<Answer>>();
  readonly #started = Promise.withResolvers<boolean>();
  #count = 0;
  /** Why it works no more. */
  #death: Error | undefined;

  constructor() {
    this.isReady = this.#started.promise;
    try {
      this.#worker = new Worker(MODULE, { type: "module" });
    } catch {
      // What a thread would do is done in this one, with the same result.
      this.#started.resolve(false);
      return;
    }
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#started.resolve(false);
      this.#failAll(new Error(`Cannot extract layers in a thread: ${event.message}`));
    };
  }

  open(opening: StageOpening, listener: StageListener): LayerStage {
    const number = ++this.#count;
    const stage = new WorkerStage(listener, {
      send: (bytes) => this.#post({ kind: "bytes", stage: number, bytes }, [bytes.buffer]),
      call: (request) => this.#call(number, request),
    });
    this.#stages.set(number, stage);
    this.#post({ ...opening, stage: number }, opening.port === undefined ? [] : [opening.port]);
    return stage;
  }

  [Symbol.dispose](): void {
    this.#worker?.terminate();
    this.#started.resolve(false);
  }

  #post(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  async #call(stage: number, request: StageCall): Promise<Answer> {
    if (this.#death !== undefined) throw this.#death;
    const answer = Promise.withResolvers<Answer>();
    const call = ++this.#count;
    this.#calls.set(call, answer);
    this.#post({ kind: "call", stage, call, request });
    return await answer.promise;
  }

  #hear(message: FromWorker): void {
    switch (message.kind) {
      case "ready":
        return this.#started.resolve(true);
      case "taken":
        return this.#stages.get(message.stage)?.taken(message.bytes, message.position);
      case "warning":
        return this.#stages.get(message.stage)?.listener.warn(message.message);
      case "failure":
        return this.#stages.get(message.stage)?.listener.fail(unpackError(message.error));
      case "answer":
        this.#calls.get(message.call)?.resolve(message);
        break;
      case "refusal":
        this.#calls.get(message.call)?.reject(unpackError(message.error));
    }
    this.#calls.delete(message.call);
  }

  /** The worker has died, which it has no reason to. */
  #failAll(error: Error): void {
    this.#death = error;
    for (const { listener } of this.#stages.values()) listener.fail(error);
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}

/** The way from a stage in this thread to the one in a worker. */
interface StageLine {
  send(bytes: Uint8Array<ArrayBuffer>): void;
  call(request: StageCall): Promise<Answer>;
}

/** A stage whose work is done in a worker. */
class WorkerStage implements LayerStage {
  readonly listener: StageListener;
  position = 0;
  readonly #line: StageLine;
  #inFlight = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(listener: StageListener, line: StageLine) {
    this.listener = listener;
    this.#line = line;
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    this.#inFlight += chunk.length;
    this.#line.send(chunk);
    if (this.#inFlight <= WINDOW_BYTES) return;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Notes that bytes have arrived. */
  taken(bytes: number, position: number): void {
    this.position = position;
    this.#inFlight -= bytes;
    if (this.#inFlight > WINDOW_BYTES / 2) return;
    this.#room?.resolve();
    this.#room = undefined;
  }

  async close(): Promise<void> {
    await this.#ask({ kind: "close" });
  }

  async restart(): Promise<void> {
    await this.#ask({ kind: "restart" });
  }

  async read(blob: string): Promise<void> {
    await this.#ask({ kind: "read", blob });
  }

  async merge(blob: string): Promise<StageResult> {
    return await this.#ask({ kind: "merge", blob }) as StageResult;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#ask({ kind: "dispose" });
    } catch {
      // A worker that has died has no stages any more, and what failed has been told.
    }
  }

  async #ask(request: StageCall): Promise<StageResult | undefined> {
    const { position, result } = await this.#line.call(request);
    this.position = position;
    return result;
  }
}
