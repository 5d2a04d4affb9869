import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { DecompressError } from "../../layer/compression/decompress_error.ts";
import { type DecompressOptions, openDecompressor } from "../../layer/compression/decompressor.ts";
import { digestAlgorithm, Digester } from "../../spec/digest.ts";
import { DiffIdMismatchError, DigestMismatchError } from "../../spec/errors.ts";
import { Verifier } from "../../spec/verifier.ts";
import { packError, type TransferredError } from "./_error_transfer.ts";
import type { LayerStage, StageListener } from "./layer_stage.ts";
import { type InputLayer, type LayerInput, StageInput } from "./_stage_input.ts";

/** What a relay says to the stage that it is in front of; chunks come back when they are used. */
export type RelayMessage =
  | { readonly kind: "bytes"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end" }
  | { readonly kind: "failure"; readonly error: TransferredError };

/** Which layer is decompressed, within what limits; plain data. */
export interface RelayPlan extends InputLayer {
  readonly limits: Pick<DecompressOptions, "maxBytes" | "maxRatio" | "maxWindow">;
}

/**
 * So much memory may be on its way to the other thread before the relay waits: enough for a stretch
 * of large files, which it has more to do with, and one of small files to make up for each other.
 */
const WINDOW_BYTES = 16_777_216;

/** What a chunk of the blob becomes most often fits into one: messages between threads are dear. */
const CHUNK_BYTES = 1_048_576;

/**
 * Decompresses a layer, and verifies it if its plan says so, for a stage in another thread: one
 * large layer keeps two processors busy. Chunks go straight from thread to thread, and their
 * memory comes back.
 */
export class StageRelay implements LayerStage {
  readonly position = 0;
  readonly #plan: RelayPlan;
  readonly #listener: StageListener;
  readonly #port: MessagePort;
  readonly #input: StageInput<void>;
  #spare: ArrayBuffer[] = [];
  #inFlight = 0;
  #room: PromiseWithResolvers<void> | undefined;

  constructor(plan: RelayPlan, listener: StageListener, port: MessagePort) {
    this.#plan = plan;
    this.#listener = listener;
    this.#port = port;
    this.#input = new StageInput(plan, { extract: (input) => this.#relay(input) });
    port.onmessage = ({ data }: MessageEvent<Uint8Array<ArrayBuffer>>) => this.#taken(data);
  }

  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#input.write(chunk);
  }

  async close(): Promise<void> {
    this.#input.close();
    await this.#input.work;
  }

  async read(blob: string): Promise<void> {
    await this.#input.read(blob);
    await this.#input.work;
  }

  /** A relay that began with wrong bytes is given up for another one. */
  restart(): Promise<void> {
    return Promise.reject(new TypeError("Cannot restart a relay: open another one"));
  }

  /** Files are the stage's. */
  merge(): Promise<ExtractReport> {
    return Promise.reject(new TypeError("Cannot merge a relay: it has no files"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const end = this.#input[Symbol.asyncDispose]();
    this.#room?.resolve();
    await end;
    this.#port.close();
  }

  async #relay(input: LayerInput): Promise<void> {
    try {
      await this.#decompress(input);
      this.#port.postMessage({ kind: "end" } satisfies RelayMessage);
    } catch (error) {
      if (input.options.signal?.aborted) return;
      // The stage knows where in the layer this is.
      const failure: RelayMessage = { kind: "failure", error: packError(error) };
      this.#port.postMessage(failure);
      // The stage may have met what is wrong in wrong bytes first: this says more.
      if (error instanceof DigestMismatchError) throw error;
    }
  }

  async #decompress({ stream, options }: LayerInput): Promise<void> {
    const { descriptor: { mediaType, digest }, limits } = this.#plan;
    const { descriptor, source, diffId, signal } = options;
    const onWarning = (message: string) => this.#listener.warn(message);
    const memory = () => new Uint8Array(this.#spare.pop() ?? new ArrayBuffer(CHUNK_BYTES));
    using decompressor = openDecompressor({ ...limits, mediaType, onWarning, memory });
    const verifier = descriptor && new Verifier(descriptor, source);
    const digester = diffId && new Digester(digestAlgorithm(diffId));
    let damage: DecompressError | undefined;
    for await (const chunk of stream) {
      verifier?.update(chunk);
      // Bytes that do not decompress may be others than were promised: the rest of them tells.
      if (damage !== undefined) continue;
      try {
        for await (const bytes of decompressor.outputs(chunk)) {
          signal?.throwIfAborted();
          digester?.update(bytes);
          await this.#send(bytes as Uint8Array<ArrayBuffer>);
        }
      } catch (error) {
        if (verifier === undefined || !(error instanceof DecompressError)) throw error;
        damage = error;
      }
    }
    verifier?.finish();
    if (damage !== undefined) throw damage;
    await decompressor.finish();
    const actual = digester?.digest();
    if (diffId === undefined || actual === undefined || actual === diffId) return;
    throw new DiffIdMismatchError(diffId, actual, digest);
  }

  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#inFlight += bytes.buffer.byteLength;
    this.#port.postMessage({ kind: "bytes", bytes } satisfies RelayMessage, [bytes.buffer]);
    if (this.#inFlight <= WINDOW_BYTES) return;
    this.#room = Promise.withResolvers();
    await this.#room.promise;
  }

  #taken({ buffer }: Uint8Array<ArrayBuffer>): void {
    this.#inFlight -= buffer.byteLength;
    if (buffer.byteLength === CHUNK_BYTES) this.#spare.push(buffer);
    if (this.#inFlight <= WINDOW_BYTES / 2) this.#room?.resolve();
  }
}
