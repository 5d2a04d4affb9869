import type { RemoteLayer } from "../../spec/image/image.ts";
import type { FirstRead, ImageClientOptions, UpcomingLayer } from "../image_client.ts";

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
export class EarlyRequests implements Disposable {
  readonly #firstReads: ImageClientOptions["firstReads"];
  readonly #layers: () => readonly RequestableLayer[];
  readonly #sent: Disposable[] = [];
  #isDropped = false;
  #isKept = false;

  /** @param firstReads Returns the first reads of layers; without it, none is requested. */
  constructor(
    firstReads: ImageClientOptions["firstReads"],
    layers: () => readonly RequestableLayer[],
  ) {
    this.#firstReads = firstReads;
    this.#layers = layers;
  }

  /** Sends the requests. */
  send(): void {
    // Without them, each layer is requested when it is read.
    this.#send().catch(() => {});
  }

  /** Keeps the responses for the readers of the layers. */
  keep(): void {
    this.#isKept = true;
  }

  async #send(): Promise<void> {
    if (this.#firstReads === undefined) return;
    const layers = this.#layers();
    const reads = await this.#firstReads(layers.map(({ bytes: _bytes, ...layer }) => layer));
    for (const read of reads) {
      const { descriptor: { digest }, lock } = read;
      const layer = this.#isDropped || this.#isKept
        ? undefined
        : layers.find(({ descriptor }) => descriptor.digest === digest);
      if (layer === undefined) lock?.[Symbol.dispose]();
      else this.#sent.push(layer.bytes.request(read));
    }
  }

  [Symbol.dispose](): void {
    if (this.#isKept) return;
    this.#isDropped = true;
    for (const request of this.#sent.splice(0)) request[Symbol.dispose]();
  }
}
