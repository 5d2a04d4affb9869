import type { ExtractLayerOptions } from "../../layer/extraction/extract_layer.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";
import { openBlobStream } from "../content/blob_stream.ts";
import { ByteQueue, type ReleaseChunk } from "./_byte_queue.ts";

/** Which layer it is, and what its bytes must be. */
export interface InputLayer {
  readonly descriptor: Descriptor;
  /** What the decompressed bytes must be; absent if somebody else sees to that. */
  readonly diffId?: Digest;
}

/** The bytes of a layer, and what whoever extracts them is to know. */
export interface LayerInput {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly options: Pick<
    ExtractLayerOptions,
    "layer" | "source" | "diffId" | "descriptor" | "mediaType" | "signal"
  >;
}

/** Options for {@linkcode StageInput}. */
export interface StageInputOptions<T> {
  /** Begins the extraction. */
  readonly extract: (input: LayerInput) => Promise<T>;
  /** Is told why it failed, unless it was ended. */
  readonly onFailure?: ((error: unknown) => void) | undefined;
  /** If what is written has been decompressed, is given the chunks that are done with. */
  readonly release?: ReleaseChunk | undefined;
}

/** The way of a layer's bytes into its extraction: as they come, or from the blob. */
export class StageInput<T> implements AsyncDisposable {
  readonly #layer: InputLayer;
  readonly #options: StageInputOptions<T>;
  readonly #stop = new AbortController();
  #queue: ByteQueue | undefined;
  #work: Promise<T> | undefined;

  constructor(layer: InputLayer, options: StageInputOptions<T>) {
    this.#layer = layer;
    this.#options = options;
  }

  /** The extraction, if it has begun. */
  get work(): Promise<T> | undefined {
    return this.#work;
  }

  /** Takes the next bytes, whoever verifies that they are those of the descriptor. */
  write(chunk: Uint8Array<ArrayBuffer>): void | Promise<void> {
    return this.#open().write(chunk);
  }

  /** There are no more bytes. */
  close(): void {
    this.#open().close();
  }

  /** What would be written cannot be had. */
  fail(error: unknown): void {
    this.#open().fail(error);
  }

  /** Extracts the layer from its blob, where nothing was written. */
  async read(blob: string): Promise<void> {
    this.#start(await this.open(blob));
  }

  /** Opens the blob, to be verified. */
  async open(blob: string): Promise<LayerInput> {
    const { signal } = this.#stop;
    const stream = await openBlobStream(blob, { reuseMemory: true, signal });
    const { descriptor } = this.#layer;
    return this.#describe(stream, { descriptor, source: `"${blob}"` });
  }

  /** Ends an extraction of wrong bytes; the next begins anew. */
  async restart(): Promise<void> {
    const queue = this.#queue;
    this.#queue = undefined;
    queue?.fail(new Error("Cannot go on: the bytes were wrong"));
    await this.#work?.catch(() => {});
    this.#work = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const reason = new Error("Cannot go on: the extraction was stopped");
    this.#stop.abort(reason);
    this.#queue?.fail(reason);
    await this.#work?.catch(() => {});
  }

  #open(): ByteQueue {
    if (this.#queue === undefined) {
      const { release } = this.#options;
      this.#queue = new ByteQueue(release);
      const { mediaType } = this.#layer.descriptor;
      const known = release === undefined ? { mediaType } : {};
      this.#start(this.#describe(this.#queue.readable, known));
    }
    return this.#queue;
  }

  #describe(stream: LayerInput["stream"], known: LayerInput["options"]): LayerInput {
    const { descriptor: { digest }, diffId } = this.#layer;
    const { signal } = this.#stop;
    return { stream, options: { layer: digest, signal, ...(diffId && { diffId }), ...known } };
  }

  #start(input: LayerInput): void {
    this.#work = this.#options.extract(input);
    const queue = this.#queue;
    this.#work.catch((error) => {
      const isOver = queue !== this.#queue || this.#stop.signal.aborted;
      if (!isOver) this.#options.onFailure?.(error);
    });
  }
}
