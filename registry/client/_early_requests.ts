import type { RemoteLayer } from "../../spec/image/image.ts";
import type { FirstRead, ImageClientOptions, UpcomingLayer } from "../image_client.ts";
import { abortable } from "../tasks/abortable.ts";

/** The bytes of a layer, which are requested on demand. */
export interface LayerBytes extends Pick<RemoteLayer, "compressed"> {
  /**
   * Sends the request for the first read in advance.
   *
   * @param read The number of bytes to read, and the lock to hold until then.
   * @returns The request. Disposing of it drops the response unless something reads it.
   */
  request(read: Pick<FirstRead, "length" | "lock">): Disposable;
}

/** A layer whose bytes can be requested before its DiffID is known. */
export interface RequestableLayer extends UpcomingLayer {
  readonly bytes: LayerBytes;
}

/**
 * The first requests for layers, sent while the config of their image arrives. Disposing of them
 * drops the responses, unless the image turns out to be valid.
 */
export class EarlyRequests implements AsyncDisposable {
  readonly #options: Pick<ImageClientOptions, "firstReads" | "signal">;
  readonly #layers: () => readonly RequestableLayer[];
  readonly #sent: Disposable[] = [];
  #sending = Promise.resolve();
  #isDropped = false;
  #isKept = false;

  /** @param options With `firstReads`, without which no layer is requested. */
  constructor(
    options: Pick<ImageClientOptions, "firstReads" | "signal">,
    layers: () => readonly RequestableLayer[],
  ) {
    this.#options = options;
    this.#layers = layers;
  }

  /** Sends the requests. */
  send(): void {
    // Without them, each layer is requested when it is read.
    this.#sending = this.#send().catch(() => {});
  }

  /** Keeps the responses for the readers of the layers. */
  keep(): void {
    this.#isKept = true;
  }

  async #send(): Promise<void> {
    const { firstReads } = this.#options;
    if (firstReads === undefined) return;
    const layers = this.#layers();
    const reads = await firstReads(layers.map(({ bytes: _bytes, ...layer }) => layer));
    for (const read of reads) {
      const { descriptor: { digest }, lock } = read;
      const layer = this.#isDropped || this.#isKept
        ? undefined
        : layers.find(({ descriptor }) => descriptor.digest === digest);
      if (layer === undefined) lock?.[Symbol.dispose]();
      else this.#sent.push(layer.bytes.request(read));
    }
  }

  /** Drops the responses. */
  drop(): void {
    if (this.#isKept) return;
    this.#isDropped = true;
    for (const request of this.#sent.splice(0)) request[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isKept) return;
    this.drop();
    // The first reads create files in a store, which must not change after a failure.
    await abortable(this.#sending, this.#options.signal).catch(() => {});
  }
}
