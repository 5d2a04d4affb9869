import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { unpackError } from "./_error_transfer.ts";
import type { LayerStage, StageListener } from "./layer_stage.ts";
import { mayReadModule, startWorker } from "./_start_worker.ts";
import type { FromWorker, StageCall, StageOpening, ToWorker } from "./_stage_messages.ts";

/** So many bytes may be on their way to a stage before its writer has to wait. */
const WINDOW_BYTES = 1_048_576;

const MODULE = new URL("./_stage_worker.ts", import.meta.url);

/** Whether threads can be had. */
export function mayStartThreads(): boolean {
  return mayReadModule(MODULE);
}

/** What a stage answers. */
interface Answer {
  readonly position: number;
  readonly result?: ExtractReport;
}

/** A worker, and what is known of its stages. */
export class StageThread implements Disposable {
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
    this.#worker = startWorker(MODULE);
    if (this.#worker === undefined) {
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

  async merge(blob: string): Promise<ExtractReport> {
    return await this.#ask({ kind: "merge", blob }) as ExtractReport;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#ask({ kind: "dispose" });
    } catch {
      // A worker that has died has no stages any more, and what failed has been told.
    }
  }

  async #ask(request: StageCall): Promise<ExtractReport | undefined> {
    const { position, result } = await this.#line.call(request);
    this.position = position;
    return result;
  }
}
